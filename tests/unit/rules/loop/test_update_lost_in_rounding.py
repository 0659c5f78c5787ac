from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from helpers.rule_asserts import findings, findings_if_any, first_evidence, the_finding
from made.changes import changed, falling, stuck, with_loss, without
from made.check_ups import with_tables
from made.healthy import healthy_run
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import LEARNING_RATE, STUCK_SHARE
from tb_lossdiag.records import table
from tb_lossdiag.rules.loop.update_lost_in_rounding import UpdateLostInRounding
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = UpdateLostInRounding()
AT = np.array([0, 1, 2, 4, 8, 16, 32, 64, 128, 199])


def lost(share: npt.ArrayLike, run: Run | None = None, checks: int = len(AT)) -> Run:
    run = stuck(healthy_run(1)) if run is None else run
    values = np.broadcast_to(np.asarray(share, float), len(AT))[:checks]
    run = with_tables(run, [table(STUCK_SHARE, AT[:checks], values)])
    return replace(run, facts={**run.facts, "weights": "bfloat16"})


SICK = lost(0.97)


def test_an_error_where_next_to_nothing_moves() -> None:
    finding = the_finding(RULE, SICK)
    assert finding.severity is Severity.ERROR
    assert "97% of the weights" in finding.message.en
    assert "bfloat16" in finding.advice.en
    assert first_evidence(RULE, SICK).quantity == STUCK_SHARE.name


@pytest.mark.parametrize(
    ("share", "severity"),
    [(0.51, Severity.WARNING), (0.89, Severity.WARNING), (0.91, Severity.ERROR)],
)
def test_worse_the_more_is_stuck(share: float, severity: Severity) -> None:
    assert the_finding(RULE, lost(share)).severity is severity


def below_half(moved: float, share: float = 0.45) -> Run:
    """Of what the first step left, this share has moved by the end."""
    return lost(share * (1 - moved * np.linspace(0, 1, len(AT))))


def test_below_half_it_counts_where_nothing_moves_that_the_first_step_left() -> None:
    assert not findings(RULE, below_half(0.15))
    finding = the_finding(RULE, below_half(0.05))
    assert finding.severity is Severity.WARNING
    assert "last 10 check-ups" in finding.message.en
    assert not findings(RULE, below_half(0.0, 0.24))
    assert findings(RULE, below_half(0.0, 0.26))


@pytest.mark.parametrize(("last", "expected"), [(64, 1), (49, 0)])
def test_what_the_first_step_left_needs_steps_to_move(last: int, expected: int) -> None:
    run = lost(0.3)
    at = np.array([0, 1, 2, 4, last])
    assert (
        len(findings_if_any(RULE, with_tables(run, [table(STUCK_SHARE, at, np.full(5, 0.3))])))
        == expected
    )


def test_a_loss_that_falls_all_the_same_lessens_it() -> None:
    half = with_loss(healthy_run(1), falling(200))
    assert the_finding(RULE, lost(0.6, half)).severity is Severity.WARNING
    assert the_finding(RULE, lost(0.95, half)).severity is Severity.WARNING
    nearly_all = with_loss(healthy_run(1), falling(200) - 0.45)
    assert the_finding(RULE, lost(0.6, nearly_all)).severity is Severity.INFO
    assert the_finding(RULE, lost(0.95, nearly_all)).severity is Severity.WARNING


def test_what_moves_in_time_is_not_lost() -> None:
    """A float32 copy, or stochastic rounding: single steps seldom show, many do."""
    assert not findings(RULE, lost(np.geomspace(1.0, 0.05, len(AT))))


def test_a_rate_of_zero_is_another_matter() -> None:
    assert not findings(RULE, changed(SICK, LEARNING_RATE, 0.0))


def test_not_evaluated_on_few_check_ups() -> None:
    assert outcome(RULE, lost([*[1.0] * 4, *[0.6] * 6], checks=9)).verdict is Verdict.NOT_EVALUATED
    assert outcome(RULE, without(SICK, STUCK_SHARE)).missing == (STUCK_SHARE.name,)


@pytest.mark.parametrize("seed", range(4))
def test_nothing_to_say_of_single_precision(seed: int) -> None:
    assert not findings_if_any(RULE, healthy_run(seed))
