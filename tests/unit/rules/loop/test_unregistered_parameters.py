from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from helpers.rule_asserts import findings, the_finding
from made.check_ups import with_tables
from made.healthy import healthy_run
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import LOOSE, REDRAWN, UNREGISTERED
from tb_lossdiag.records import table
from tb_lossdiag.rules.loop.unregistered_parameters import UnregisteredParameters
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = UnregisteredParameters()


def counted(*counts: float) -> Run:
    """So many tensors of nobody, check-up by check-up."""
    run = with_tables(healthy_run(1), [table(UNREGISTERED, 2 ** np.arange(len(counts)), counts)])
    return replace(run, facts={**run.facts, "unregistered": "Linear"})


SICK = counted(6, 6, 6, 6, 6)


def test_fires_where_parts_are_in_a_plain_list() -> None:
    finding = the_finding(RULE, SICK)
    assert finding.severity is Severity.ERROR
    assert "at step 16, 6 parameter tensors" in finding.message.en
    assert "(Linear)" in finding.message.en


@pytest.mark.parametrize(
    ("counts", "fires"),
    [([1, 1, 1, 1], True), ([6, 6, 6, 0], False), ([0, 2, 2, 2, 2], True), ([0, 0, 0, 0], False)],
)
def test_the_bounds(counts: Sequence[float], fires: bool) -> None:
    assert bool(findings(RULE, counted(*counts))) is fires


def redrawn(*counts: float) -> Run:
    """So many made anew."""
    return with_tables(
        counted(*[0] * len(counts)), [table(REDRAWN, 2 ** np.arange(len(counts)), counts)]
    )


def test_layers_that_the_forward_pass_makes() -> None:
    finding = the_finding(RULE, redrawn(0, 2, 2, 2, 2))
    assert "2 parameter tensors were made in the model's forward pass itself" in finding.message.en
    assert "not in forward()" in finding.advice.en
    assert not findings(RULE, redrawn(0, 2, 2, 0, 2))
    assert not findings(RULE, redrawn(2, 2, 2, 2, 0))


def test_few_check_ups_are_not_judged() -> None:
    assert outcome(RULE, counted(6, 6, 6)).verdict is Verdict.NOT_EVALUATED


def loose(*counts: float) -> Run:
    """So many tensors that nothing holds, check-up by check-up."""
    made = [table(LOOSE, 2 ** np.arange(len(counts)), counts)]
    run = with_tables(healthy_run(1), made)
    return replace(run, facts={**run.facts, "loose": "[64], [1]"})


def test_tensors_that_nothing_holds() -> None:
    finding = the_finding(RULE, loose(2, 2, 2, 2))
    assert finding.severity is Severity.WARNING
    assert "2 tensors" in finding.message.en
    assert "[64], [1]" in finding.message.en
    assert not findings(RULE, loose(2, 2, 2, 0)), "somebody changes them"
    assert outcome(RULE, loose(2, 2, 2)).verdict is Verdict.NOT_EVALUATED
