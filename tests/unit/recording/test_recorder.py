"""What the collectors give, in any order within a step, becomes records in the order of steps."""

from __future__ import annotations

import numpy as np
import pytest

from helpers.emitted import Emitted
from tb_lossdiag.quantities import (
    GRADIENT_NORM,
    LEARNING_RATE,
    LOSS,
    LOSS_NONFINITE,
    PARAMETER_NORM,
    UPDATE_NORM,
    Quantity,
)
from tb_lossdiag.recording.recorder import Recorder
from tb_lossdiag.recording.windows import Cadence
from tb_lossdiag.records import FrameBlock, FrameRecord, Record


def recorder(window: int = 1) -> tuple[Recorder, Emitted]:
    out = Emitted()
    return Recorder(out, lambda found: {"parts": len(found)}, Cadence(window=window)), out


def one(quantity: Quantity, *values: float, columns: tuple[str, ...] = ("",)) -> Record:
    return Record(quantity, columns, np.array(values, np.float32))


def losses(steps: list[int], values: list[float]) -> FrameBlock:
    column = np.array(values, np.float32)[:, None]
    at = np.array(steps, np.int64)
    return FrameBlock(("",), at, at.astype(float), {LOSS: column, LOSS_NONFINITE: 0 * column})


def test_a_step_grows_until_another_comes() -> None:
    made, out = recorder()
    made.take(0, 1.0, [one(LOSS, 3.0)])
    made.take(0, 1.0, [one(LOSS_NONFINITE, 0.0), one(LOSS, 2.0)])
    made.advance(-1)
    assert out.of(LOSS) == []
    made.take(1, 2.0, [one(LOSS, 1.0)])
    made.advance(0)
    assert out.of(LOSS) == [(0, [2.0])]
    assert out.of(LOSS_NONFINITE) == [(0, [0.0])]
    made.flush()
    assert out.of(LOSS) == [(0, [2.0]), (1, [1.0])]


@pytest.mark.parametrize("count", [1, 2, 3, 6])
@pytest.mark.parametrize("window", [1, 3])
def test_many_steps_at_once_are_those_one_by_one(window: int, count: int) -> None:
    (single, apart), (several, together) = recorder(window), recorder(window)
    block = losses(list(range(5, 5 + count)), [float(value) for value in range(count)])
    for made in (single, several):
        made.take(5, 5.0, [one(LOSS, 9.0), one(GRADIENT_NORM, 1.0, columns=("a",))])
    several.extend(block)
    for step, value in zip(block.steps.tolist(), block.values[LOSS][:, 0].tolist(), strict=True):
        single.take(step, float(step), [one(LOSS, value), one(LOSS_NONFINITE, 0.0)])
    for made in (single, several):
        made.take(4 + count, 1.0, [one(LOSS, 7.0)])  # the last is given again
        made.flush()
    for quantity in (LOSS, LOSS_NONFINITE, GRADIENT_NORM, LOSS.highest()):
        assert together.of(quantity) == apart.of(quantity)


def test_what_is_not_summed_up_keeps_its_step_whatever_the_window() -> None:
    made, out = recorder(window=4)
    for step in range(4):
        made.take(step, 1.0, [one(LOSS, float(step)), one(UPDATE_NORM, step + 0.5, columns=("a",))])
    made.flush()
    assert out.of(UPDATE_NORM) == [(step, [step + 0.5]) for step in range(4)]
    assert dict(out.of(LOSS)) == {3: [1.5]}
    assert dict(out.of(LOSS.highest())) == {3: [3.0]}
    assert dict(out.of(LOSS.lowest())) == {3: [0.0]}


def test_windows_are_written_when_they_end_and_cut_ones_at_once() -> None:
    made, out = recorder(window=3)
    made.add(losses([0, 1, 2, 3, 4], [5.0, 4.0, 3.0, 2.0, 1.0]))
    made.advance(4)
    assert out.of(LOSS) == [(2, [4.0])]
    made.cut(4)
    assert out.of(LOSS) == [(2, [4.0]), (4, [1.5])]
    made.take(5, 1.0, [one(LOSS, 0.5)])
    made.cut(5)
    assert out.of(LOSS)[-1] == (5, [0.5])


def test_a_training_that_goes_back_ends_all_windows() -> None:
    made, out = recorder(window=100)
    made.add(losses([0, 1, 2, 3], [4.0, 3.0, 2.0, 1.0]))
    made.take(3, 1.0, [one(LEARNING_RATE, 0.1, columns=("group 0",))])
    made.add(losses([1, 2], [9.0, 8.0]))
    made.flush()
    assert out.of(LOSS) == [
        (0, [4.0]),
        (3, [2.0]),
        (2, [8.5]),
    ]  # what stands is apart from what is undone
    assert len(out.sessions()) == 2


def test_a_series_that_begins_late_is_no_step_back() -> None:
    made, out = recorder(window=100)
    made.add(losses([5, 6], [2.0, 1.0]))
    made.take(3, 1.0, [one(PARAMETER_NORM, 1.0, columns=("a",))])
    made.flush()
    assert len(out.sessions()) == 1


def test_scalars_are_made_of_a_record_and_go_with_it() -> None:
    seen: list[list[str]] = []

    def scalars(found: list[FrameRecord]) -> dict[str, float]:
        seen.append([part.frame for part in found])
        return {"loss/train": float(found[0].values[0, 0])}

    out = Emitted()
    made = Recorder(out, scalars, Cadence())
    made.take(7, 1.0, [one(LOSS, 0.25)])
    made.flush()
    assert out.scalars == [("loss/train", 7, 0.25)]
    assert seen == [["loss"]]


def test_what_goes_with_the_first_record_waits_until_one_is_written() -> None:
    made, out = recorder()
    made.write.first = [one(PARAMETER_NORM, 4.0, columns=("a",))]
    tries: list[str] = []

    def fails(name: str, _: object) -> None:
        tries.append(name)

    made.write.attempt = fails
    made.add(losses([0], [1.0]))
    made.flush()
    assert tries == ["writing"]
    assert not out.records
    made.write.attempt = lambda _, work: work()
    made.add(losses([1, 2], [1.0, 1.0]))
    made.flush()
    assert out.of(PARAMETER_NORM) == [(1, [4.0])]
    assert out.of(LOSS) == [(1, [1.0]), (2, [1.0])]


def test_events_that_were_lost_are_followed_by_a_session_that_says_all() -> None:
    made, out = recorder()
    made.say({"optimizer": "SGD"})
    made.renumber(0, 100, 1.0)
    made.add(losses([0], [1.0]))
    made.flush()
    made.restart()
    made.add(losses([1], [1.0]))
    made.flush()
    assert out.kinds() == [
        *("session", "columns", "words", "renumbered"),
        *("session", "columns", "words"),
    ]
    assert [fact.WhichOneof("kind") for fact in made.known()] == ["words", "columns"]


def test_a_record_without_a_time_gets_the_clocks() -> None:
    times: list[float] = []
    made = Recorder(lambda _values, _step, time: times.append(time), lambda _: {}, Cadence())
    made.take(0, None, [one(LOSS, 1.0)])
    made.flush()
    assert times[-1] > 1.7e9


def test_layers_of_two_models_are_two_series() -> None:
    made, out = recorder()
    for step in range(2):
        for name in ("g", "d"):
            made.take(step, 1.0, [one(GRADIENT_NORM, 1.0, columns=(name,))])
    made.flush()
    assert len(out.sessions()) == 1
    assert out.of(GRADIENT_NORM)[-1] == (1, [1.0, 1.0])
