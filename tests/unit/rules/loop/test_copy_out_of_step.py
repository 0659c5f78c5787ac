from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from helpers.rule_asserts import findings, the_finding
from made.changes import changed, without
from made.check_ups import with_tables
from made.healthy import healthy_run
from made.loss_calls import call_tables, healthy_call
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import (
    CALL_OUTPUTS,
    CALL_TARGET_MAX,
    CALL_TARGET_MIN,
    CALL_TARGET_UNIQUE,
    COPY_BEGAN,
    COPY_DISTANCE,
    COPY_MOVED,
    COPY_STATISTICS,
    COPY_STATISTICS_MOVED,
    COPY_WRITTEN,
    LOSS,
    ORIGINAL_MOVED,
    VALIDATION_LOSS,
)
from tb_lossdiag.records import table
from tb_lossdiag.rules.loop.copy_out_of_step import CopyOutOfStep
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = CopyOutOfStep()
AT = np.array([0, 1, 4, 16, 64, 199])
GONE = np.linspace(0, 0.3, 6)


def copied(
    distance: npt.ArrayLike,
    moved: npt.ArrayLike,
    *,
    gone: float = 0.3,
    calls: Sequence[str] = ("mse_loss",),
    last: int = 199,
) -> Run:
    """A second network so far from the trained one, which moved so far, at six check-ups; and these loss calls."""
    at = np.append(AT[:-1], last)
    names = ("",)
    tables = [
        table(COPY_DISTANCE, at, distance, names),
        table(COPY_MOVED, at, moved, names),
        table(ORIGINAL_MOVED, at, np.linspace(0, gone, 6), names),
    ]
    rng, run = np.random.default_rng(0), healthy_run(1)
    others = {n: t for n, t in run.tables.items() if not n.startswith("call_")}
    run = with_tables(replace(run, tables=others), tables)
    for name in calls:
        run = with_tables(run, call_tables(at, name, healthy_call(rng, len(at), name)))
    return run


SICK = copied(GONE, np.zeros(6))


def test_fires_where_a_copy_stands_still() -> None:
    finding = the_finding(RULE, SICK)
    assert finding.severity is Severity.WARNING
    assert "it is never updated" in finding.message.en
    assert "up to step 199" in finding.message.en


def test_fires_where_a_copy_is_the_trained_one() -> None:
    finding = the_finding(RULE, copied(np.zeros(6), GONE))
    assert finding.severity is Severity.WARNING
    assert "no second opinion" in finding.message.en


@pytest.mark.parametrize(
    ("run", "fires"),
    [
        (copied(GONE + 0.01, np.zeros(6)), True),
        (copied(GONE + 0.02, np.zeros(6)), False),  # a teacher of another training
        (copied(GONE, [0, 0, 0, 0, 0, 0.1]), False),  # copied at last
        (copied(GONE / 9, GONE), False),  # an average
        (copied(GONE / 6, np.zeros(6), gone=0.05), True),
        (copied(GONE / 6, np.zeros(6), gone=0.04), False),  # nothing to follow yet
    ],
)
def test_the_bounds(run: Run, fires: bool) -> None:
    assert bool(findings(RULE, run)) is fires


@pytest.mark.parametrize("calls", [(), ("binary_cross_entropy_with_logits",)])
def test_a_reference_that_stays_is_an_information(calls: Sequence[str]) -> None:
    finding = the_finding(RULE, copied(GONE, np.zeros(6), calls=calls))
    assert finding.severity is Severity.INFO


def test_a_copy_of_the_beginning_may_be_seen_late() -> None:
    began = table(COPY_BEGAN, AT, np.zeros(6), ("",))
    assert findings(RULE, with_tables(copied(GONE + 0.2, np.zeros(6)), [began]))


def written(*times: float) -> Run:
    """A network that was drawn by itself, stays, and has been written so often at the check-ups."""
    count = table(COPY_WRITTEN, AT, times, ("",))
    return with_tables(copied(GONE + 1.4, np.zeros(6)), [count])


def test_fires_where_a_target_is_given_its_own_state() -> None:
    finding = the_finding(RULE, written(0, 1, 1, 1, 2, 5))
    assert finding.severity is Severity.WARNING
    assert "has been written 5 times by step 199" in finding.message.en
    assert "what is written to it is its own state" in finding.message.en


@pytest.mark.parametrize(
    "times",
    [
        (0, 0, 0, 0, 0, 0),  # a teacher
        (0, 0, 0, 0, 0, 5),  # loaded in one stretch
        (0, 1, 1, 1, 1, 2),
        (0, np.nan, 1, 2, 3, 4),  # another network at that time
    ],
)
def test_a_teacher_that_was_loaded_once_or_twice_may_stay(times: Sequence[float]) -> None:
    assert not findings(RULE, written(*times))


def test_a_copy_that_is_written_and_moves_is_in_step() -> None:
    count = table(COPY_WRITTEN, AT, np.arange(6), ("",))
    assert not findings(RULE, with_tables(copied(GONE / 9, GONE), [count]))


def _seldom(*steps: int) -> Run:
    """A copy that is called in validations alone, and stays."""
    at, zero, names = np.array(steps), np.zeros(len(steps)), ("",)
    gone = np.linspace(0, 0.3, len(steps))
    tables = [
        table(COPY_DISTANCE, at, gone, names),
        table(COPY_MOVED, at, zero, names),
        table(ORIGINAL_MOVED, at, gone, names),
    ]
    return with_tables(SICK, tables)


@pytest.mark.parametrize(
    ("steps", "judged"),
    [((20, 60, 199), True), ((20, 199), False), ((20, 39, 199), False), ((20, 60, 160), False)],
)
def test_fewer_check_ups_will_do_where_they_are_apart(steps: Sequence[int], judged: bool) -> None:
    verdict = outcome(RULE, _seldom(*steps)).verdict
    assert (verdict is not Verdict.NOT_EVALUATED) is judged


def lagging(
    *, follows: float = 0.05, validation: float = 2.2, falls: float = 0.2, gone: float = 0.3
) -> Run:
    """An average that has gone this share of the way, and what is validated by it, from 2.3 on."""
    run = copied(GONE, np.linspace(0, follows * gone, 6), gone=gone)
    run = changed(run, LOSS, np.linspace(2.3, falls, len(run[LOSS])))
    return changed(run, VALIDATION_LOSS, np.linspace(2.3, validation, len(run[VALIDATION_LOSS])))


def test_an_average_that_is_too_slow_shows_in_what_it_is_validated_by() -> None:
    finding = the_finding(RULE, lagging())
    assert finding.severity is Severity.WARNING
    assert "has moved by 5% of what" in finding.message.en
    assert "1 / (1 - d)" in finding.advice.en


@pytest.mark.parametrize(
    "run",
    [
        lagging(follows=0.3),
        lagging(validation=1.2),  # a slow target of a model that is validated itself
        lagging(falls=1.7),  # nothing won yet
        without(lagging(), VALIDATION_LOSS),
        without(lagging(), LOSS),
    ],
)
def test_clear_where_the_validation_follows(run: Run) -> None:
    assert not findings(RULE, run)


def test_too_few_steps_are_not_judged() -> None:
    assert outcome(RULE, copied(GONE, np.zeros(6), last=149)).verdict is Verdict.NOT_EVALUATED


def compared(last: int, target: int = 0) -> Run:
    """The same beside a comparison with a queue, in which the first key is right."""
    run = copied(GONE, np.zeros(6), calls=("cross_entropy",), last=last)
    for quantity, value in (
        (CALL_OUTPUTS, 257),
        (CALL_TARGET_UNIQUE, 1),
        (CALL_TARGET_MAX, target),
        (CALL_TARGET_MIN, target),
    ):
        run = changed(run, quantity, value)
    return run


def test_keys_of_a_queue_follow_after_each_step() -> None:
    assert the_finding(RULE, compared(199)).severity is Severity.WARNING
    assert findings(RULE, compared(65))
    assert the_finding(RULE, compared(199, 1)).severity is Severity.INFO, "no keys"
    assert outcome(RULE, compared(65, 1)).verdict is Verdict.NOT_EVALUATED


def remembering(apart: float, moved: npt.ArrayLike, follows: float = 1) -> Run:
    """A copy that follows, and remembers something that ends so far from what the trained one does."""
    run = copied(np.linspace(0, 0.05, 6), follows * GONE)
    tables = [
        table(COPY_STATISTICS, AT, np.linspace(0, apart, 6), ("",)),
        table(COPY_STATISTICS_MOVED, AT, moved, ("",)),
    ]
    return with_tables(run, tables)


def test_fires_where_a_copy_that_follows_keeps_its_first_statistics() -> None:
    finding = the_finding(RULE, remembering(3.0, np.zeros(6)))
    assert finding.severity is Severity.WARNING
    assert "by now 3 standard deviations" in finding.message.en
    assert "use_buffers=True" in finding.advice.en


@pytest.mark.parametrize(
    ("apart", "moved", "follows", "fires"),
    [
        (0.5, [0, 0, 0, 0, 0, 0], 1, True),
        (0.49, [0, 0, 0, 0, 0, 0], 1, False),
        (3, [0, 0, 0, 0, 0, 1], 1, False),
        (3, [0, 1, 1, 1, 1, 1], 1, False),
    ],
)
def test_the_bounds_of_what_is_remembered(
    apart: float, moved: Sequence[float], follows: float, fires: bool
) -> None:
    assert bool(findings(RULE, remembering(apart, moved, follows=follows))) is fires


def test_a_copy_that_stands_is_told_as_that() -> None:
    finding = the_finding(RULE, remembering(3.0, np.zeros(6), follows=0.0))
    assert "it is never updated" in finding.message.en
