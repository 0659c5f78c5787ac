"""A window loses nothing that matters, wherever it falls."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tb_lossdiag.quantities import (
    BREAK_GRADIENT_NORM,
    BREAK_LOSS,
    CLIP_BOUND,
    CLIP_GLOBAL_NORM,
    GRADIENT_NORM,
    LOSS,
    LOSS_NONFINITE,
    STEPS,
    VALIDATION_LOSS,
    Quantity,
    frame_quantities,
)
from tb_lossdiag.recording.windows import Cadence, Windows
from tb_lossdiag.records import FrameBlock, FrameRecord, Record


@dataclass
class Written:
    """What came out."""

    records: list[tuple[int, dict[str, list[float]]]] = field(default_factory=list)

    def __call__(self, step: int, _: float, parts: list[FrameRecord]) -> int:
        found = {}
        for part in parts:
            for index, quantity in enumerate(frame_quantities(part.frame)):
                if not np.isnan(part.values[:, index]).all():
                    found[quantity.name] = part.values[:, index].tolist()
        self.records.append((step, found))
        return sum(part.values.nbytes for part in parts)

    def of(self, quantity: Quantity) -> list[tuple[int, list[float]]]:
        name = quantity.name
        return [(step, values[name]) for step, values in self.records if name in values]


def rows(
    at: list[int], columns: tuple[str, ...] = ("",), **values: list[list[float]]
) -> FrameBlock:
    by_name = {q.name: q for q in (GRADIENT_NORM, LOSS, LOSS_NONFINITE, STEPS, CLIP_BOUND)}
    arrays = {by_name[name]: np.array(v, np.float32) for name, v in values.items()}
    return FrameBlock(columns, np.array(at, np.int64), np.array(at, float), arrays)


def windows(window: int) -> tuple[Windows, Written]:
    written = Written()
    return Windows(written, Cadence(window=window)), written


def test_every_step_is_a_record_at_first() -> None:
    made, written = windows(1)
    made.add(rows([3, 5], loss=[[1.0], [2.0]]))
    made.advance(10)
    assert written.records == [(3, {"loss": [1.0]}), (5, {"loss": [2.0]})]


def test_a_window_keeps_mean_extremes_and_the_step_of_the_largest() -> None:
    made, written = windows(4)
    made.add(rows([10, 11, 12, 13], loss=[[1.0], [5.0], [2.0], [0.0]]))
    made.advance(13)
    ((step, values),) = written.records
    assert step == 13
    assert values == {"loss": [2.0], "loss_max": [5.0], "loss_max_lag": [2.0], "loss_min": [0.0]}


def test_not_a_number_never_counts_as_a_value() -> None:
    made, written = windows(3)
    nan = float("nan")
    broken = [[0.0], [1.0], [1.0]]
    made.add(rows([0, 1, 2], loss=[[1.0], [nan], [np.inf]], loss_nonfinite=broken))
    made.advance(2)
    values = written.records[0][1]
    assert values["loss"] == values["loss_max"] == [1.0]
    assert values["loss_nonfinite"] == [2.0]
    assert values["loss_nonfinite_max_lag"] == [1.0]  # the first of them, at step 1


def test_a_column_that_comes_late_or_pauses_keeps_its_place() -> None:
    made, written = windows(4)
    made.add(rows([0, 1], ("a",), gradient_norm=[[1.0], [2.0]]))
    made.add(rows([2], ("b",), gradient_norm=[[7.0]]))
    made.add(rows([3], ("a", "b"), gradient_norm=[[float("nan"), 8.0]]))
    made.advance(3)
    ((_, values),) = written.records
    assert values["gradient_norm"] == [2.0, 8.0]
    assert values["gradient_norm_max"] == [2.0, 8.0]
    assert values["gradient_norm_max_lag"] == [2.0, 0.0]


def test_an_open_step_waits_and_flush_ends_it() -> None:
    made, written = windows(2)
    made.add(rows([0, 1, 2], loss=[[1.0], [3.0], [4.0]]))
    made.advance(1)
    assert written.of(LOSS) == [(1, [2.0])]
    made.advance(2)
    assert len(written.records) == 1
    made.flush()
    assert written.of(LOSS)[-1] == (2, [4.0])


def test_records_of_their_own_step_come_in_order() -> None:
    made, written = windows(4)
    made.add(rows([0, 1, 2, 3, 4], loss=[[1.0]] * 5))
    made.at(2, 0.0, [Record(VALIDATION_LOSS, ("",), np.array([9.0], np.float32))])
    made.advance(4)
    made.flush()
    assert [step for step, _ in written.records] == [2, 3, 4]


def test_a_fixed_interval_ends_a_window_where_a_step_was_looked_at() -> None:
    written = Written()
    made = Windows(written, Cadence(every=10))
    made.add(rows([0, 10, 20], steps=[[1.0], [10.0], [10.0]]))
    made.add(rows(list(range(25)), loss=[[1.0]] * 25))
    made.advance(24)
    assert [step for step, _ in written.records] == [0, 10, 20]
    made.flush()
    assert [step for step, _ in written.records] == [0, 10, 20, 24]


def test_frames_with_gaps_share_their_windows() -> None:
    made, written = windows(2)
    made.add(rows([0, 2], loss=[[1.0], [2.0]]))
    made.add(rows([0, 1, 2, 3], steps=[[1.0]] * 4))
    made.flush()
    assert [(s, v["steps"]) for s, v in written.records] == [(1, [2.0]), (3, [2.0])]
    assert written.of(LOSS) == [(1, [1.0]), (3, [2.0])]
    assert written.of(LOSS.highest_lag()) == [(1, [1.0]), (3, [1.0])]


@given(
    st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=80),
    st.integers(1, 9),
    st.integers(1, 30),
)
def test_sums_do_not_depend_on_how_rows_arrive(values: list[float], every: int, piece: int) -> None:
    whole, parts = windows(every), windows(every)
    steps = list(range(len(values)))
    whole[0].add(rows(steps, loss=[[v] for v in values]))
    for first in range(0, len(values), piece):
        some = slice(first, first + piece)
        parts[0].add(rows(steps[some], loss=[[v] for v in values[some]]))
        parts[0].advance(first)
    whole[0].flush()
    parts[0].flush()
    assert whole[1].records == parts[1].records
    highest = max(max(v.get("loss_max", v["loss"])) for _, v in whole[1].records)
    assert highest == np.array(values, np.float32).max()


PLANTS: dict[str, tuple[Quantity, Callable[[float], float]]] = {
    "spike": (GRADIENT_NORM, lambda _: 1e4),
    "NaN": (LOSS_NONFINITE, lambda _: 1.0),
    "clip": (CLIP_BOUND, lambda _: 1.0),
}


@pytest.mark.parametrize("what", PLANTS)
def test_one_event_in_a_hundred_thousand_steps_leaves_its_exact_step(what: str) -> None:
    quantity, plant = PLANTS[what]
    rng = np.random.default_rng(len(what))
    for at in rng.integers(0, 100_000, 2).tolist():
        written = Written()
        made = Windows(written, Cadence(budget=20_000))
        for first in range(0, 100_000, 64):
            steps = np.arange(first, min(first + 64, 100_000), dtype=np.int64)
            values = np.zeros((len(steps), 1), np.float32)
            values[steps == at] = plant(0.0)
            made.add(FrameBlock(("",), steps, steps.astype(float), {quantity: values}))
            made.advance(int(steps[-1]))
        made.flush()
        found = [
            step - int(values.get(f"{quantity.name}_max_lag", [0.0])[0])
            for step, values in written.records
            if max(values.get(f"{quantity.name}_max", values[quantity.name])) > 0
        ]
        assert found == [at]
        assert made.cadence.window > 1
        assert len(written.records) < 100_000


def test_the_file_grows_with_the_logarithm_of_the_run() -> None:
    counts = []
    for length in (1_000, 10_000, 100_000):
        written = Written()
        made = Windows(written, Cadence(budget=16 * 100 * 16))
        steps = np.arange(length, dtype=np.int64)
        values = {CLIP_GLOBAL_NORM: np.ones((length, 4), np.float32)}
        made.add(FrameBlock(("a", "b", "c", "d"), steps, steps.astype(float), values))
        made.flush()
        counts.append(len(written.records))
    assert counts[2] - counts[1] < 1.5 * (counts[1] - counts[0])


@pytest.mark.parametrize(
    ("seconds", "watched", "window"), [(1e-3, True, 4), (0.1, True, 1), (1e-3, False, 1)]
)
def test_quick_steps_that_nobody_asked_for_are_summed_up(
    seconds: float, watched: bool, window: int
) -> None:
    cadence = Cadence(watched=watched)
    for record in range(600):
        cadence.wrote(10, record * seconds)
    assert cadence.window == window


@pytest.mark.parametrize("first", [2**53, 2**62])
def test_the_step_of_the_largest_is_exact_however_large_steps_are(first: int) -> None:
    """Float64 has no odd numbers there: the spike at 301 was shown at 299."""
    made, written = windows(8)
    at = [first + step for step in (299, 300, 301)]
    made.add(rows(at, loss=[[1.0], [2.0], [9.0]]))
    made.advance(at[-1])
    made.add(rows([first + 302, first + 303], loss=[[3.0], [4.0]]))
    made.flush()
    ((step, values),) = written.records
    assert step == first + 303
    assert step - int(values["loss_max_lag"][0]) == first + 301


def test_around_a_break_single_steps_are_kept() -> None:
    made, written = windows(8)
    losses = [[float(step)] for step in range(200)]
    made.add(rows(list(range(200)), loss=losses))
    made.advance(199)
    assert not written.of(BREAK_LOSS)
    made.broke([100])
    made.broke([100, 105])
    made.flush()
    assert written.of(BREAK_LOSS) == [(step, losses[step]) for step in range(52, 121)]


def test_single_steps_are_kept_of_windows_alone() -> None:
    made, written = windows(1)
    made.add(rows([0, 1], loss=[[1.0], [2.0]]))
    made.advance(1)
    made.broke([1])
    made.flush()
    assert not written.of(BREAK_LOSS)


def test_of_steps_long_gone_none_is_left() -> None:
    made, written = windows(4)
    for step in range(300):
        made.add(rows([step], ("a", "b"), gradient_norm=[[1.0, 2.0]]))
        made.advance(step)
    made.broke([100])
    made.broke([299])
    made.forget()
    made.broke([299])
    made.flush()
    steps = [step for step, _ in written.of(BREAK_GRADIENT_NORM)]
    assert steps == list(range(251, 300))


def test_columns_that_came_later_are_unknown_before() -> None:
    made, written = windows(4)
    made.add(rows([0, 1], ("a",), gradient_norm=[[1.0], [1.0]]))
    made.advance(1)
    made.add(rows([2, 3], ("a", "b"), gradient_norm=[[1.0, 2.0], [1.0, 2.0]]))
    made.advance(3)
    made.broke([3])
    made.flush()
    first, *_, last = written.of(BREAK_GRADIENT_NORM)
    assert (first[0], np.isnan(first[1][1]), last) == (0, True, (3, [1.0, 2.0]))
