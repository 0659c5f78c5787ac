from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from helpers.rule_asserts import the_finding
from made.check_ups import with_check_up, with_tables
from made.healthy import healthy_run
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import (
    BACKWARDS,
    SCHEDULE_CALLS,
    SCHEDULE_LENGTH,
    SCHEDULE_STEPS,
    STEPS,
)
from tb_lossdiag.records import table
from tb_lossdiag.rules.loop.schedule_speed import ScheduleSpeed
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = ScheduleSpeed()
HEALTHY = healthy_run(1)
TAKEN = int(np.nansum(HEALTHY[STEPS].values))
AT = [0, TAKEN // 4, TAKEN // 2]


def paced(length: float, pace: float, *, closed: bool = True, planned: str = "") -> Run:
    """A schedule of so many calls, so many of which there are per step."""
    rows = {
        SCHEDULE_LENGTH: [length] * 3,
        SCHEDULE_CALLS: [int(pace * step) for step in AT],
        SCHEDULE_STEPS: AT,
    }
    tables = [table(q, AT, np.array(values)[:, None], [""]) for q, values in rows.items()]
    facts = {**HEALTHY.facts, **({"planned steps": planned} if planned else {})}
    made = replace(with_tables(HEALTHY, tables), facts=facts)
    return replace(made, closed=1.0 if closed else None)


SICK = paced(TAKEN, 0.05)


def parts(run: Run, count: float = 4.0) -> Run:
    return with_check_up(run, BACKWARDS, count)


def test_a_plan_of_steps_that_is_moved_now_and_then() -> None:
    finding = the_finding(RULE, SICK)
    assert finding.severity is Severity.WARNING
    assert "once in 20 steps of the optimizer" in finding.message.en
    assert "5% of the plan were run" in finding.message.en
    assert "the learning rate ends at" in finding.message.en


def test_a_plan_of_batches_that_is_moved_with_each_step() -> None:
    finding = the_finding(RULE, parts(paced(4 * TAKEN, 1.0)))
    assert "counts the 4 backward passes" in finding.message.en


def test_a_plan_of_steps_that_is_moved_with_each_batch() -> None:
    finding = the_finding(RULE, paced(TAKEN, 4.0, closed=False, planned=str(TAKEN)))
    assert "called 4 times per step" in finding.message.en
    assert f"over after {TAKEN // 4} steps" in finding.message.en


def test_a_plan_is_over_at_a_whole_step() -> None:
    finding = the_finding(RULE, paced(150, 8.0, closed=False, planned=str(TAKEN)))
    assert "plan of 150 calls is over after 19 steps" in finding.message.en


def test_a_framework_that_plans_less_than_the_schedule() -> None:
    finding = the_finding(RULE, paced(3 * TAKEN, 1.0, closed=False, planned=str(TAKEN)))
    assert finding.severity is Severity.INFO
    assert "33% of the plan will have been run" in finding.message.en


@pytest.mark.parametrize(
    ("run", "fires"),
    [
        (paced(TAKEN, 0.1), True),
        (paced(TAKEN, 0.11), False),
        (paced(0.81 * TAKEN, 0.05), True),
        (paced(0.79 * TAKEN, 0.05), False),
        (paced(1.19 * TAKEN, 0.05), True),
        (paced(1.21 * TAKEN, 0.05), False),
        (paced(TAKEN, 0.05, closed=False), False),  # it may go on
        (paced(TAKEN, 0.05, closed=False, planned="?"), False),
        (paced(TAKEN / 10, 0.1), False),  # a plan of epochs
        (paced(TAKEN, 1.0), False),
        (paced(3 * TAKEN, 1.0), False),  # ended early
        (parts(paced(4 * TAKEN, 4.0)), False),  # planned and moved in batches
        (parts(paced(4 * TAKEN, 1.0), 1.0), False),
        (parts(paced(3 * TAKEN, 1.0)), False),
        (parts(paced(4 * TAKEN, 1.0, closed=False)), False),
        (paced(1.9 * TAKEN, 2.0), False),
        (paced(1.5 * TAKEN, 2.0), True),
        (paced(TAKEN / 2, 2.0, closed=False), True),
        (paced(TAKEN / 2, 1.0), False),  # a floor after it
        (paced(TAKEN / 4, 1.4), False),  # skipped steps
    ],
)
def test_the_bounds(run: Run, fires: bool) -> None:
    assert outcome(RULE, run).verdict is (Verdict.FINDINGS if fires else Verdict.CLEAR)


def test_a_plan_of_which_hardly_anything_was_run_is_worth_knowing() -> None:
    """As one cycle of a whole training that is stepped once per batch of one epoch."""
    finding = the_finding(RULE, paced(50 * TAKEN, 1.0))
    assert finding.severity is Severity.INFO
    assert "2% of the plan were run" in finding.message.en
    assert outcome(RULE, paced(9 * TAKEN, 1.0)).verdict is Verdict.CLEAR
    assert outcome(RULE, paced(50 * TAKEN, 1.0, closed=False)).verdict is Verdict.CLEAR


def test_a_schedule_that_hardly_moved_is_not_judged() -> None:
    for run in (paced(TAKEN, 1 / TAKEN), HEALTHY):
        assert outcome(RULE, run).verdict is Verdict.NOT_EVALUATED


def test_a_run_that_was_resumed_counts_from_there() -> None:
    """Calls go on, and the steps of the new watch begin at 0."""
    at = [0, 10, 40, TAKEN // 2, TAKEN // 2 + 20]
    rows = {
        SCHEDULE_LENGTH: [TAKEN] * 5,
        SCHEDULE_CALLS: at,
        SCHEDULE_STEPS: [0, 10, 40, 0, 20],
    }
    tables = [table(q, at, np.array(values)[:, None], [""]) for q, values in rows.items()]
    run = replace(with_tables(HEALTHY, tables), closed=1.0)
    assert outcome(RULE, run).verdict is Verdict.CLEAR
    cut = with_tables(run, [table(t.quantity, at[:4], t.values[:4], [""]) for t in tables])
    assert outcome(RULE, cut).verdict is Verdict.NOT_EVALUATED
