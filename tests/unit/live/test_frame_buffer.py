"""A frame's records in memory."""

from __future__ import annotations

import numpy as np
import pytest

from tb_lossdiag.live.frame_buffer import FrameBuffer
from tb_lossdiag.quantities import AMP_SCALE, AMP_SKIPPED, LOSS_TERM, Quantity
from tb_lossdiag.records import Floats, Table

NAN = float("nan")


def amp(steps: range, skipped: tuple[int, ...] = ()) -> FrameBuffer:
    rows = FrameBuffer(AMP_SCALE.frame)
    rows.name_columns(("",))
    for step in steps:
        rows.put(step, float(step), matrix(rows, {AMP_SCALE: 1.0, AMP_SKIPPED: step in skipped}))
    return rows


def matrix(rows: FrameBuffer, values: dict[Quantity, float]) -> Floats:
    one = [values.get(quantity, NAN) for quantity in rows.quantities]
    return np.array([one] * len(rows.names), np.float32)


def of(rows: FrameBuffer, quantity: Quantity) -> Table:
    return next(table for table in rows.tables() if table.quantity is quantity)


def test_a_step_that_is_written_again_is_replaced() -> None:
    rows = amp(range(3))
    rows.put(2, 9.0, matrix(rows, {AMP_SCALE: 4.0}))
    assert of(rows, AMP_SCALE).steps.tolist() == [0, 1, 2]
    assert of(rows, AMP_SCALE).values[:, 0].tolist() == [1.0, 1.0, 4.0]
    assert of(rows, AMP_SCALE).walltimes.tolist() == [0.0, 1.0, 9.0]
    assert np.isnan(of(rows, AMP_SKIPPED).values[2, 0])


def test_it_holds_more_records_than_it_had_room_for() -> None:
    table = of(amp(range(500), skipped=(3, 400)), AMP_SKIPPED)
    assert table.steps.tolist() == list(range(500))
    assert np.flatnonzero(table.values[:, 0]).tolist() == [3, 400]


def test_columns_that_come_late_are_unknown_before_and_keep_their_place() -> None:
    rows = FrameBuffer(LOSS_TERM.frame)
    rows.name_columns(("a",))
    rows.put(0, 0.0, matrix(rows, {LOSS_TERM: 1.0}))
    rows.name_columns(("b", "a"))
    values = matrix(rows, {LOSS_TERM: 2.0})
    values[1] = 3.0
    rows.put(1, 1.0, values)
    table = of(rows, LOSS_TERM)
    assert table.columns == ("a", "b")
    np.testing.assert_array_equal(table.values, [[1.0, NAN], [3.0, 2.0]])


def test_what_lies_at_or_after_a_step_is_forgotten() -> None:
    rows = amp(range(10))
    rows.cut(4)
    assert of(rows, AMP_SCALE).steps.tolist() == [0, 1, 2, 3]
    rows.cut(0)
    assert list(rows.tables()) == []


def test_thinning_keeps_the_newer_half_and_what_is_seldom() -> None:
    rows = amp(range(400), skipped=(11, 13))
    rows.thin()
    steps = of(rows, AMP_SKIPPED).steps.tolist()
    assert steps[:9] == [0, 2, 4, 6, 8, 10, 11, 12, 13]
    assert steps[-200:] == list(range(200, 400))
    assert len(steps) == 302
    assert of(rows, AMP_SKIPPED).values[:, 0].sum() == 2


@pytest.mark.parametrize("count", [10, 64])
def test_few_records_are_never_thinned(count: int) -> None:
    rows = amp(range(count))
    rows.thin()
    assert len(rows) == count


def test_what_is_not_seldom_is_thinned_too() -> None:
    rows = amp(range(400), skipped=tuple(range(400)))
    rows.thin()
    assert len(rows) == 300
