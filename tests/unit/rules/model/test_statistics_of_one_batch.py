from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from helpers.rule_asserts import findings, the_finding
from made.changes import without
from made.check_ups import with_check_up
from made.healthy import healthy_run
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.quantities import (
    BATCH_NORM_VALUES,
    RUNNING_MOMENTUM,
    RUNNING_SHIFT,
    VALIDATION_LOSS,
)
from tb_lossdiag.records import table
from tb_lossdiag.rules.model.statistics_of_one_batch import StatisticsOfOneBatch
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = StatisticsOfOneBatch()


def remembered(
    momentum: float = 0.99, shift: float = 0.3, values: float = 64.0, jumps: float = 0.2
) -> Run:
    """Batch normalisation of this momentum; validations that fall and jump by this share."""
    run, steps = healthy_run(1), np.arange(11, 200, 12)
    signs = np.random.default_rng(0).standard_normal(len(steps))
    losses = np.exp(-np.arange(len(steps)) / 10 + jumps * signs)
    validation = table(VALIDATION_LOSS, steps, losses[:, None], ("",))
    run = replace(run, tables={**run.tables, VALIDATION_LOSS.name: validation})
    run = with_check_up(with_check_up(run, RUNNING_MOMENTUM, momentum), RUNNING_SHIFT, shift)
    return with_check_up(run, BATCH_NORM_VALUES, values)


SICK = remembered()


def test_says_what_is_remembered_and_what_it_does() -> None:
    message = the_finding(RULE, SICK).message.en
    assert "momentum of 0.99" in message
    assert "0.3 standard deviations from the next one's" in message


def test_says_how_few_values_there_are_where_their_mean_says_nothing() -> None:
    few = without(remembered(values=4.0), RUNNING_SHIFT)
    assert "4 values per channel" in the_finding(RULE, few).message.en


@pytest.mark.parametrize(
    ("run", "fires"),
    [
        (remembered(momentum=0.89), False),
        (remembered(momentum=0.9), True),
        (remembered(shift=0.14), False),
        (remembered(shift=0.16), True),
        (remembered(shift=0.1, values=15), True),
        (remembered(jumps=0.03), False),
        (remembered(jumps=0.0), False),
    ],
)
def test_the_bounds(run: Run, fires: bool) -> None:
    assert bool(findings(RULE, run)) is fires


def test_a_steep_fall_is_no_jump() -> None:
    run = remembered()
    steps = run[VALIDATION_LOSS].steps
    falling = table(VALIDATION_LOSS, steps, np.exp(-np.arange(len(steps)))[:, None], ("",))
    assert not findings(RULE, replace(run, tables={**run.tables, VALIDATION_LOSS.name: falling}))


def test_not_evaluated_without_a_momentum() -> None:
    none = with_check_up(SICK, RUNNING_MOMENTUM, np.nan)
    assert outcome(RULE, none).verdict is Verdict.NOT_EVALUATED
    assert outcome(RULE, without(SICK, RUNNING_MOMENTUM)).missing == (RUNNING_MOMENTUM.name,)
