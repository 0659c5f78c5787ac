from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from helpers.rule_asserts import findings, the_finding
from made.changes import changed, falling, with_loss, without
from made.check_ups import with_tables
from made.healthy import healthy_run
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import LEARNING_RATE, LOSS, STATE_TAKEN_UP, STEPS
from tb_lossdiag.records import Doubles, table
from tb_lossdiag.rules.loop.state_not_resumed import StateNotResumed
from tb_lossdiag.run import Restart, Run
from tb_lossdiag.testing import outcome

RULE = StateNotResumed()
LEARNED = with_loss(healthy_run(1), falling(200))
RECORDS = LEARNED[LOSS].steps
AT = int(RECORDS[100])
START, BEFORE = (float(np.median(falling(200)[part])) for part in (slice(3), slice(68, 100)))


def resumed(
    state: float = 0.0, run: Run = LEARNED, *, at: int = AT, late: int = 0, kind: str = "resumed"
) -> Run:
    """A run that another process took up, and whether its optimizer had its state."""
    made = with_tables(run, [table(STATE_TAKEN_UP, [at + late], [[state]], [""])])
    return replace(made, restarts=(Restart(at, 0.0, kind),))


def after(value: float) -> Doubles:
    """Losses that go on from so much."""
    values = falling(200)
    values[100:103] = value
    return values


SICK = resumed()
QUICK = with_loss(healthy_run(1), np.repeat([4.0, 1.0], [3, 197]))


def test_says_where_and_what_was_lost() -> None:
    finding = the_finding(RULE, SICK)
    assert f"resumed at step {AT} " in finding.message.en
    assert "without its optimizer's state" in finding.message.en
    assert finding.evidence[0].first_step == AT


@pytest.mark.parametrize(
    ("run", "fires"),
    [
        (resumed(1.0), False),
        (resumed(kind="went back"), False),
        (resumed(late=50), True),
        (resumed(late=51), False),
        (resumed(run=QUICK, at=int(RECORDS[8])), True),
        (resumed(run=QUICK, at=int(RECORDS[7])), False),  # too little before
        (resumed(at=int(RECORDS[197])), True),
        (resumed(at=int(RECORDS[198])), False),  # and after
        (resumed(run=with_loss(LEARNED, after(START - 0.51 * (START - BEFORE)))), True),
        (resumed(run=with_loss(LEARNED, after(START - 0.49 * (START - BEFORE)))), False),
        (resumed(run=with_loss(LEARNED, np.tile([2.0, 2.1], 100))), False),  # nothing learned
    ],
)
def test_the_bounds(run: Run, fires: bool) -> None:
    judged = outcome(RULE, run)
    assert (judged.verdict is Verdict.FINDINGS) is fires


def test_another_watch_than_the_one_before_has_nothing_to_take_up() -> None:
    other = with_tables(LEARNED, [table(STATE_TAKEN_UP, [AT], [[0.0]], ["critic"])])
    assert not findings(RULE, replace(other, restarts=SICK.restarts))
    assert not findings(RULE, without(SICK, STEPS))


def test_a_run_that_nobody_resumed_is_not_judged() -> None:
    assert outcome(RULE, replace(SICK, restarts=())).verdict is Verdict.NOT_EVALUATED
    assert outcome(RULE, healthy_run(1)).verdict is Verdict.NOT_EVALUATED


def test_the_first_restart_that_lost_it_is_told() -> None:
    places = [AT, int(RECORDS[150])]
    made = with_tables(LEARNED, [table(STATE_TAKEN_UP, places, [[1.0], [0.0]], [""])])
    restarts = tuple(Restart(step, 0.0, "resumed") for step in places)
    assert f"step {places[1]} " in the_finding(RULE, replace(made, restarts=restarts)).message.en


def rated(before: float, after_it: float) -> Run:
    """It began with a rate of 0.1, and was resumed where it was so and so much."""
    rates = np.where(SICK[LEARNING_RATE].steps < AT, before, after_it)
    rates[0] = 0.1
    return changed(SICK, LEARNING_RATE, rates[:, None])


@pytest.mark.parametrize(
    ("run", "severity"),
    [
        (rated(0.01, 0.0149), Severity.WARNING),
        (rated(0.01, 0.0067), Severity.WARNING),
        (rated(0.01, 0.1), Severity.WARNING),  # the scheduler was forgotten as well
        (rated(0.01, 0.0151), Severity.INFO),  # another phase
        (rated(0.01, 0.0066), Severity.INFO),
        (without(SICK, LEARNING_RATE), Severity.WARNING),
        (with_tables(SICK, [table(LEARNING_RATE, [AT], [[0.1]], [""])]), Severity.WARNING),
    ],
)
def test_another_rate_is_another_phase(run: Run, severity: Severity) -> None:
    assert the_finding(RULE, run).severity is severity
