"""Steps that go back: what is undone, by whom, and what of other scalars is of the same training."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from unit.reader.test_series import read, series

from tb_lossdiag.quantities import LEARNING_RATE, LOSS, VALIDATION_LOSS
from tb_lossdiag.reader.again import restarts, stands
from tb_lossdiag.run import Restart


def found(steps: list[int], times: list[float] | None = None) -> list[tuple[str, int, int]]:
    when = times or [float(place) for place in range(len(steps))]
    made = restarts(np.array(steps, np.int64), np.array(when))
    return [(one.kind, one.step, one.undone) for one in made]


def test_a_scalar_that_only_goes_on_was_never_taken_up_again() -> None:
    assert found([]) == found([3]) == found([0, 1, 1, 5]) == []


def test_what_is_done_again_is_counted_once() -> None:
    assert found([0, 1, 2, 3, 2, 3, 4]) == [("went back", 2, 2)]
    assert found([0, 1, 2, 0, 1, 2, 3, 0]) == [("went back", 0, 3), ("went back", 0, 4)]
    assert found([0, 5, 9, 7, 8, 3]) == [("went back", 7, 1), ("went back", 3, 3)]
    assert found([5, 6, 0]) == [("went back", 0, 2)]


def test_a_writer_that_was_open_at_the_same_time_undoes_nothing_of_the_training() -> None:
    assert found([0, 1, 2, 0, 1, 2], [0, 1, 2, 0.5, 1.5, 2.5]) == [("beside", 0, 3)]
    kept = stands(np.arange(3), np.arange(3.0), [Restart(0, 9.0, "beside", 3)])
    assert kept.all()


def test_what_counts_the_steps_done_stands_where_a_training_went_on_at_its_end() -> None:
    """A validation after 10 steps; the next session's first step is number 10, or the tenth is done again."""
    held_out = np.array([5, 10, 11]), np.array([5.0, 10.0, 11.0])
    went_on, again = (Restart(10, 20.0, "resumed", undone) for undone in (0, 2))
    assert stands(*held_out, [went_on]).tolist() == [True, True, False]
    assert stands(*held_out, [again]).tolist() == [True, False, False]


@given(st.lists(st.integers(0, 9), max_size=30))
def test_what_stands_and_what_is_undone_is_all_that_was_written(steps: list[int]) -> None:
    undone = sum(count for _, _, count in found(steps))
    apart = 1 + np.cumsum(np.diff(steps) < 0) if len(steps) > 1 else [1] * len(steps)
    written = {(step, int(life)) for step, life in zip(steps, [1, *apart], strict=False)}
    assert len(series(steps).steps) == len(written) - undone


def test_a_scalar_of_the_training_before_is_not_judged_beside_the_one_after() -> None:
    steps = [*range(100), *range(30)]
    loss = series(steps, [float(place) for place in range(len(steps))])
    held_out = series([0, 20, 40, 60, 80], [0.0, 20, 40, 60, 80])
    run = read(train__loss=loss, val__loss=held_out)
    assert VALIDATION_LOSS not in run
    assert run.restarts == (Restart(0, 100.0, "went back", 100),)


def test_a_validation_before_the_checkpoint_stands() -> None:
    steps = [*range(100), *range(60, 120)]
    loss = series(steps, [float(place) for place in range(len(steps))])
    held_out = series([20, 40, 59, 80, 80, 110], [20, 40, 59, 80, 120, 150])
    run = read(train__loss=loss, val__loss=held_out)
    assert run[VALIDATION_LOSS].steps.tolist() == [20, 40, 59, 80, 110]
    assert run[VALIDATION_LOSS].walltimes.tolist() == [20, 40, 59, 120, 150]
    assert [(one.kind, one.step, one.undone) for one in run.restarts] == [("went back", 60, 40)]
    assert len(run[LOSS]) == 120


def test_where_a_loader_has_dropped_the_loss_of_before_its_validation_goes_too() -> None:
    loss = series([*range(30)], [1000.0 + step for step in range(30)])
    held_out = series([10, 20, 40, 60], [10, 20, 40, 60])
    assert VALIDATION_LOSS not in read(train__loss=loss, val__loss=held_out)


def test_a_validation_just_before_the_loss_of_its_step_stands() -> None:
    loss = series([*range(0, 100, 10)], [step + 0.5 for step in range(0, 100, 10)])
    held_out = series([0, 20, 40, 60, 80], [0, 20, 40, 60, 80])
    assert len(read(train__loss=loss, val__loss=held_out)[VALIDATION_LOSS]) == 5


def test_losses_that_are_written_down_at_the_end_are_of_the_same_training() -> None:
    loss = series([*range(100)], [500 + step / 1000 for step in range(100)])
    held_out = series([10, 20, 40, 60], [10, 20, 40, 60])
    assert len(read(train__loss=loss, val__loss=held_out)[VALIDATION_LOSS]) == 4


def test_losses_that_are_written_down_after_each_epoch_are_of_the_same_training() -> None:
    loss = series([*range(100)], [10 * (step // 10) + 10 + step % 10 / 1000 for step in range(100)])
    rate = series([*range(100)], [float(step) for step in range(100)])
    held_out = series([*range(9, 100, 10)], [float(step) for step in range(9, 100, 10)])
    run = read(train__loss=loss, lr=rate, val__loss=held_out)
    assert (len(run[LEARNING_RATE]), len(run[VALIDATION_LOSS]), run.restarts) == (100, 10, ())
