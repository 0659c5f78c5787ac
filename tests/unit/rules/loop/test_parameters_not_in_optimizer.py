from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from helpers.rule_asserts import findings, first_evidence, the_finding
from made.changes import changed, head, with_none_gradients, without
from made.healthy import healthy_run
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import (
    GRADIENT_NORM,
    PARAMETER_HELD,
    PARAMETER_NORM,
    PARAMETER_TRAINABLE,
)
from tb_lossdiag.records import table
from tb_lossdiag.rules.loop.parameters_not_in_optimizer import ParametersNotInOptimizer
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = ParametersNotInOptimizer()
RUN = healthy_run(1, layers=4)
COLUMNS = RUN[GRADIENT_NORM].columns


def holding(*names: str) -> Run:
    """Nobody holds, and nothing moves, the other parameters."""
    flags = np.isin(COLUMNS, names).astype(float)
    norms = np.where(flags, RUN[PARAMETER_NORM].values, RUN[PARAMETER_NORM].values[:1])
    return changed(changed(RUN, PARAMETER_HELD, flags[None, :]), PARAMETER_NORM, norms)


HEAD = ("body.2.weight", "body.2.bias", "body.3.weight", "body.3.bias")
SICK = holding(*HEAD)


def test_fires_once_and_names_modules() -> None:
    finding = the_finding(RULE, holding(*HEAD))
    assert finding.severity is Severity.WARNING
    assert "4 of 8" in finding.message.en
    assert "`body.0.*`, `body.1.*`" in finding.message.en


def test_an_optimizer_of_another_model_is_an_error() -> None:
    finding = the_finding(RULE, holding())
    assert finding.severity is Severity.ERROR
    assert finding.subject == "body.*"


@pytest.mark.parametrize("seed", range(5))
def test_clear_on_healthy_runs(seed: int) -> None:
    assert not findings(RULE, healthy_run(seed))


def test_clear_when_held_later() -> None:
    flags = np.stack([np.isin(COLUMNS, HEAD), np.ones(8)]).astype(float)
    held = table(PARAMETER_HELD, [0, 100], flags, COLUMNS)
    assert not findings(RULE, replace(RUN, tables={**RUN.tables, PARAMETER_HELD.name: held}))


def test_clear_when_an_optimizer_the_writer_does_not_know_moves_them() -> None:
    moving = changed(holding(*HEAD), PARAMETER_NORM, RUN[PARAMETER_NORM].values)
    assert not findings(RULE, moving)
    assert findings(RULE, without(moving, PARAMETER_NORM))


def test_clear_without_a_gradient() -> None:
    assert not findings(RULE, with_none_gradients(holding(*HEAD), COLUMNS[:4]))


def test_clear_when_frozen_with_an_old_gradient() -> None:
    frozen = table(PARAMETER_TRAINABLE, [0], np.isin(COLUMNS, HEAD)[None, :] * 1.0, COLUMNS)
    run = holding(*HEAD)
    assert not findings(RULE, replace(run, tables={**run.tables, frozen.quantity.name: frozen}))


def test_evidence_is_each_modules_first_parameter() -> None:
    finding = the_finding(RULE, holding(*HEAD))
    assert [piece.column for piece in finding.evidence] == ["body.0.weight", "body.1.weight"]
    evidence = first_evidence(RULE, holding(*HEAD))
    assert (evidence.first_step, evidence.last_step) == (0, RUN[GRADIENT_NORM].steps[-1])


def test_least_records() -> None:
    assert findings(RULE, head(holding(*HEAD), 5))
    assert outcome(RULE, head(holding(*HEAD), 4)).verdict is Verdict.NOT_EVALUATED


def test_not_evaluated_when_no_optimizer_is_known() -> None:
    unknown = changed(RUN, PARAMETER_HELD, np.full((1, 8), np.nan))
    assert outcome(RULE, unknown).verdict is Verdict.NOT_EVALUATED
    assert outcome(RULE, without(RUN, PARAMETER_HELD)).missing == (PARAMETER_HELD.name,)
