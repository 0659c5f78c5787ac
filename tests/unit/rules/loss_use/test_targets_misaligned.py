from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from helpers.rule_asserts import findings, the_finding
from made.healthy import healthy_run
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import CALL_ALIGNED, CALL_SHOWN, CALL_TARGET_AHEAD
from tb_lossdiag.records import table
from tb_lossdiag.rules.loss_use.targets_misaligned import TargetsMisaligned
from tb_lossdiag.run import Run

RULE = TargetsMisaligned()


def placed(ahead: list[int], compared: int = 100) -> Run:
    """A sequence model whose targets lay there, check-up by check-up."""
    run, steps, call = healthy_run(1), 2 ** np.arange(len(ahead)), ("cross_entropy",)
    tables = (
        table(CALL_TARGET_AHEAD, steps, np.array(ahead)[:, None], call),
        table(CALL_ALIGNED, steps, np.full((len(ahead), 1), compared), call),
    )
    return replace(run, tables={**run.tables, **{t.quantity.name: t for t in tables}})


SICK = placed([2] * 5)


def test_two_ahead_is_an_error() -> None:
    finding = the_finding(RULE, SICK)
    assert finding.severity is Severity.ERROR
    assert "two tokens ahead" in finding.message.en


def test_the_answer_in_the_question_is_a_warning() -> None:
    finding = the_finding(RULE, placed([0] * 3))
    assert finding.severity is Severity.WARNING
    assert "In 3 check-ups the targets of `cross_entropy`" in finding.message.en


@pytest.mark.parametrize(
    ("run", "fires"),
    [
        (placed([1] * 9), False),
        (placed([-1] * 9), False),
        (placed([0, 0]), False),
        (placed([0, 0, 1, 0]), False),
        (placed([0] * 3, compared=32), True),
        (placed([0] * 3, compared=31), False),
    ],
)
def test_the_bounds(run: Run, fires: bool) -> None:
    assert bool(findings(RULE, run)) is fires


def shown(share: float, checks: int = 5, compared: int = 100) -> Run:
    """A masked model that sees this share of its answers."""
    run = placed([-1] * checks, compared)
    steps = 2 ** np.arange(checks)
    seen = table(CALL_SHOWN, steps, np.full((checks, 1), share), ("cross_entropy",))
    return replace(run, tables={**run.tables, seen.quantity.name: seen})


def test_a_masked_model_that_is_asked_for_what_it_sees() -> None:
    finding = the_finding(RULE, shown(0.85))
    assert finding.severity is Severity.WARNING
    assert "85% of the targets of `cross_entropy`" in finding.message.en
    assert "-100" in finding.advice.en


@pytest.mark.parametrize(
    ("run", "fires"),
    [
        (shown(0.51), True),
        (shown(0.49), False),
        (shown(0.85, checks=3), True),
        (shown(0.85, checks=2), False),
        (shown(0.85, compared=31), False),
    ],
)
def test_the_bounds_of_what_is_shown(run: Run, fires: bool) -> None:
    assert bool(findings(RULE, run)) is fires
