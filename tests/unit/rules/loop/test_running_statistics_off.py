from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from helpers.rule_asserts import findings, the_finding
from made.changes import without
from made.check_ups import with_tables
from made.healthy import healthy_run
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.quantities import (
    FRESH_STATISTICS,
    LOSS,
    RUNNING_SCALE,
    RUNNING_SHIFT,
    VALIDATION_LOSS,
)
from tb_lossdiag.records import table
from tb_lossdiag.rules.loop.running_statistics_off import RunningStatisticsOff
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = RunningStatisticsOff()
TRAIN = np.linspace(1.0, 0.4, 20)


def lagging(
    shift: list[float], ratio: float = 2.0, first: float | None = None, scale: float = 1.0
) -> Run:
    """Twenty steps with check-ups at the powers of two, and a validation after every second one, so many times the training loss."""
    at = np.array([0, 1, 2, 4, 8, 16])[-len(shift) :]
    then = np.arange(1, 20, 2)
    ratios = np.linspace(ratio if first is None else first, ratio, len(then))
    tables = [
        table(LOSS, np.arange(20), TRAIN),
        table(VALIDATION_LOSS, then, TRAIN[then] * ratios),
        table(RUNNING_SHIFT, at, shift),
        table(RUNNING_SCALE, at, np.full(len(at), scale)),
    ]
    run = replace(healthy_run(1), tables={})
    return with_tables(run, tables)


SICK = lagging([5, 4, 3, 2, 1.5, 1])


def test_fires_where_statistics_lag_and_validation_suffers() -> None:
    finding = the_finding(RULE, SICK)
    assert "at step 16" in finding.message.en
    assert "lies 1 standard deviations" in finding.message.en
    assert "LD108" in RULE.explains


@pytest.mark.parametrize(
    ("run", "fires"),
    [
        (lagging([5, 4, 3, 2, 0.5, 0.5]), True),
        (lagging([5, 4, 3, 2, 0.6, 0.4]), False),  # it has caught up
        (lagging([0.1, 0.1, 0.1], scale=2.0), True),
        (lagging([0.1, 0.1, 0.1], scale=1.9), False),
        (lagging([5, 4, 3, 2, 1, 1], ratio=1.4), False),  # validation does well
        (lagging([5, 4, 3, 2, 1, 1], ratio=3, first=1), False),  # a gap that opens is overfitting's
        (lagging([5, 4, 3, 2, 1, 1], ratio=1.7), True),
    ],
)
def test_the_bounds(run: Run, fires: bool) -> None:
    assert bool(findings(RULE, run)) is fires


@pytest.mark.parametrize("ratio", [20.0, 200.0, 2000.0])
def test_the_grosser_the_case_the_louder(ratio: float) -> None:
    assert findings(RULE, lagging([50, 40, 30, 20, 10, 10], ratio=ratio))


def test_not_evaluated_without_a_validation_or_with_one_check_up() -> None:
    assert outcome(RULE, lagging([5])).verdict is Verdict.NOT_EVALUATED
    assert outcome(RULE, without(SICK, VALIDATION_LOSS)).missing == (VALIDATION_LOSS.name,)


def untouched(counts: list[float], validation: tuple[float, float]) -> Run:
    """Validations from the first to the second loss, beside a training loss that falls from 1 to 0.4; so many normalisations are as they began."""
    then = np.linspace(1, 19, len(counts)).astype(int)
    tables = [
        table(LOSS, np.arange(20), TRAIN),
        table(VALIDATION_LOSS, then, np.linspace(validation[0], validation[1], len(then))),
        table(FRESH_STATISTICS, then, counts),
    ]
    return with_tables(replace(healthy_run(1), tables={}), tables)


@pytest.mark.parametrize(
    ("run", "fires"),
    [
        (untouched([4, 4, 4], (1.1, 0.9)), True),
        (untouched([4, 4, 0], (1.1, 0.9)), False),
        (untouched([0, 0, 0, 0], (1.1, 0.9)), False),
        (untouched([1] * 9, (0.9, 0.72)), True),
        (untouched([1] * 9, (0.7, 0.55)), False),  # no worse than the training
        (untouched([1] * 9, (1.0, 0.76)), True),
        (untouched([1] * 9, (1.0, 0.74)), False),  # it is learned with them
    ],
)
def test_statistics_that_no_batch_has_moved(run: Run, fires: bool) -> None:
    assert bool(findings(RULE, run)) is fires


def test_where_check_ups_saw_it_in_training_what_it_has_learned_does_not_matter() -> None:
    learned = untouched([1] * 9, (1.0, 0.7))
    seen = with_tables(learned, [table(RUNNING_SHIFT, [0, 1], [0.1, 0.1])])
    assert findings(RULE, seen)
    assert not findings(RULE, learned)
    two = untouched([4, 4], (1.1, 0.9))  # of which one may come before the first step
    assert outcome(RULE, two).verdict is Verdict.NOT_EVALUATED


def test_what_is_said_of_statistics_that_no_batch_has_moved() -> None:
    finding = the_finding(RULE, untouched([4, 4, 4], (1.0, 0.9)))
    assert "at step 19, 4 of its batch normalisations" in finding.message.en
    assert "all of the 3 validations" in finding.message.en
    assert "has lost 10% of its first value at most" in finding.message.en
    assert "state_dict" in finding.advice.en
