from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from helpers.rule_asserts import findings, the_finding
from made.changes import without
from made.check_ups import with_tables
from made.healthy import healthy_run
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.quantities import LOSS, RUNNING_SCALE, RUNNING_SHIFT, VALIDATION_LOSS
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
