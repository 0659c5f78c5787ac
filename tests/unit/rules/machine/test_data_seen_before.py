from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from helpers.rule_asserts import findings, the_finding
from made.changes import without
from made.check_ups import with_tables
from made.healthy import healthy_run
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import BACKWARDS, BATCH_NUMBER, EPOCH_BATCHES, EPOCH_TAKEN, STEPS
from tb_lossdiag.records import table
from tb_lossdiag.rules.machine.data_seen_before import DataSeenBefore
from tb_lossdiag.run import Restart, Run
from tb_lossdiag.testing import outcome

RULE = DataSeenBefore()
CHECKS = (0, 1, 2, 4, 8, 16, 32)


def resumed(
    *starts: int, shift: int = 0, epoch: int = 0, period: int = 10**6, checks: int = 7
) -> Run:
    """A run that was taken up at these steps, each time with its data from `shift` on, which come again after `period` steps."""
    begins = (0, *starts)
    seen = [(at + c, (c + (shift if at else 0)) % period) for at in begins for c in CHECKS[:checks]]
    steps, numbers = np.array(seen).T
    tables = [
        table(BATCH_NUMBER, steps, numbers * 7.0 + 1),
        table(STEPS, np.arange(starts[-1] + 40), np.ones(starts[-1] + 40)),
        table(BACKWARDS, steps, np.ones(len(steps))),
    ]
    if epoch:
        tables.append(table(EPOCH_BATCHES, starts, np.full(len(starts), epoch)))
        tables.append(table(EPOCH_TAKEN, starts, np.ones(len(starts))))
    run = with_tables(healthy_run(1), tables)
    return replace(run, restarts=tuple(Restart(step, 0.0, "resumed") for step in starts))


SICK = resumed(100, epoch=150)


def test_a_resume_within_an_epoch_is_told_with_its_place() -> None:
    finding = the_finding(RULE, SICK)
    assert finding.severity is Severity.WARNING
    assert "after 100 steps, where an epoch has 150 batches" in finding.message.en
    assert "resumed at step 100" in finding.message.en


@pytest.mark.parametrize(
    ("run", "severity"),
    [
        (resumed(200, epoch=300), Severity.WARNING),
        (resumed(200, epoch=100), None),  # two epochs
        (resumed(202, epoch=100), None),  # give or take a step for each, and one
        (resumed(203, epoch=100), None),
        (resumed(204, epoch=100), Severity.WARNING),
        (resumed(197, epoch=100), None),
        (resumed(196, epoch=100), Severity.WARNING),
        (resumed(200), Severity.INFO),  # an epoch may have 200 batches
        (resumed(200, 400), Severity.INFO),
        (resumed(200, 411), Severity.WARNING),  # and no epoch divides both
        (resumed(200, 411, epoch=411), Severity.WARNING),  # the first one
        (resumed(200, shift=1), None),
        (resumed(200, epoch=300, checks=5), Severity.WARNING),
        (resumed(200, epoch=300, checks=4), None),
        (resumed(200, epoch=300, period=4), None),  # a few batches in turn
        (resumed(200, period=1), None),  # a single one
    ],
)
def test_the_bounds(run: Run, severity: Severity | None) -> None:
    found = findings(RULE, run)
    assert [one.severity for one in found] == ([] if severity is None else [severity])


def test_one_batch_that_differs_is_another_order() -> None:
    batches = SICK[BATCH_NUMBER]
    values = batches.values.copy()
    values[-1] += 1
    assert not findings(RULE, with_tables(SICK, [replace(batches, values=values)]))


@pytest.mark.parametrize(
    ("quantity", "value", "severity"),
    [
        (EPOCH_TAKEN, 2.0, Severity.WARNING),  # one was fetched ahead
        (EPOCH_TAKEN, 3.0, Severity.INFO),  # a step takes more than one batch
        (BACKWARDS, np.nan, Severity.INFO),
    ],
)
def test_a_place_is_known_where_batches_of_a_step_are(
    quantity: object, value: float, severity: Severity
) -> None:
    known = next(t for t in SICK.tables.values() if t.quantity is quantity)
    changed = with_tables(SICK, [replace(known, values=np.full_like(known.values, value))])
    assert the_finding(RULE, changed).severity is severity


def test_accumulation_takes_several_batches_a_step() -> None:
    four = [
        table(BACKWARDS, SICK[BACKWARDS].steps, np.full(len(SICK[BACKWARDS].steps), 4.0)),
        table(EPOCH_TAKEN, [100], [4.0]),
    ]
    assert not findings(RULE, with_tables(SICK, [*four, table(EPOCH_BATCHES, [100], [200.0])]))
    made = with_tables(SICK, [*four, table(EPOCH_BATCHES, [100], [150.0])])
    assert the_finding(RULE, made).severity is Severity.WARNING


def test_without_counted_steps_their_numbers_tell() -> None:
    runs = [without(resumed(*starts), STEPS) for starts in ((200, 400), (200, 411))]
    assert [the_finding(RULE, run).severity for run in runs] == [Severity.INFO, Severity.WARNING]


@pytest.mark.parametrize(
    "run",
    [
        without(SICK, BATCH_NUMBER),
        replace(SICK, restarts=()),
        replace(SICK, restarts=(Restart(100, 0.0, "went back"),)),
    ],
)
def test_a_run_that_nobody_resumed_is_not_judged(run: Run) -> None:
    assert outcome(RULE, run).verdict is Verdict.NOT_EVALUATED


def test_several_models_are_told_apart() -> None:
    batches = SICK[BATCH_NUMBER]
    both = np.concatenate((batches.values, np.arange(len(batches.values))[:, None]), axis=1)
    made = with_tables(SICK, [table(BATCH_NUMBER, batches.steps, both, ("critic", "actor"))])
    finding = the_finding(RULE, made)
    assert finding.subject == "critic"
    assert "check-ups of `critic`" in finding.message.en
