from __future__ import annotations

import numpy as np

from tb_lossdiag.analysis.columns import Before, held, in_force, latest, windowed
from tb_lossdiag.quantities import LOSS, PARAMETER_NORM
from tb_lossdiag.records import Table, table
from tb_lossdiag.run import Run

NORMS = table(
    PARAMETER_NORM, [10, 20, 30], np.array([[1.0, np.nan], [np.nan, 5.0], [3.0, 6.0]]), ("a", "b")
)


def test_latest_holds_the_last_value_of_each_column() -> None:
    steps = np.array([5, 10, 19, 20, 29, 30, 99])
    held = latest(NORMS, steps)
    assert held[:, 0].tolist() == [1, 1, 1, 1, 1, 3, 3]
    assert held[:, 1].tolist() == [5, 5, 5, 5, 5, 6, 6]


def test_latest_of_a_column_that_is_not_there() -> None:
    assert np.isnan(latest(NORMS, np.array([10, 20]), ["c"])).all()
    assert latest(NORMS, np.array([30]), ["b", "a"]).tolist() == [[6, 3]]


def test_held_needs_no_row_for_each_step() -> None:
    steps = np.array([5, 10, 25, 25, 99])
    known = held(NORMS, steps, ["b", "c", "a"])
    assert len(known.values) == 3
    np.testing.assert_array_equal(known.values[known.rows], latest(NORMS, steps, ["b", "c", "a"]))
    assert known.rows.tolist() == [0, 0, 1, 1, 2]


def test_nothing_is_held_where_nothing_was_recorded() -> None:
    none = np.zeros(0)
    empty = Table(PARAMETER_NORM, ("a",), none.astype(int), none, np.zeros((0, 1), np.float32))
    assert np.isnan(latest(empty, np.array([1, 2]))).tolist() == [[True], [True]]


def test_windowed_records_have_a_spread() -> None:
    steps = [0, 1, 2]
    plain = Run("r", {LOSS.name: table(LOSS, steps, [1, 2, 3])})
    assert windowed(plain, LOSS).tolist() == [False, False, False]
    most, least = (
        table(LOSS.highest(), steps, [1, 2, 5]),
        table(LOSS.lowest(), steps, [1, 2, 2]),
    )
    tables = {**plain.tables, most.quantity.name: most, least.quantity.name: least}
    assert windowed(Run("r", tables), LOSS).tolist() == [False, False, True]


def test_before_the_first_record_nothing_is_in_force_or_the_first_value() -> None:
    values, recorded, steps = np.array([[7.0], [8.0]]), np.array([2, 5]), np.array([0, 2, 4, 5, 9])
    nothing = in_force(values, recorded, steps)[:, 0]
    np.testing.assert_array_equal(nothing, [np.nan, 7, 7, 8, 8])
    first = in_force(values, recorded, steps, Before.FIRST)[:, 0]
    np.testing.assert_array_equal(first, [7, 7, 7, 8, 8])
    none = in_force(values[:0], recorded[:0], steps, Before.FIRST)
    assert none.shape == (5, 1)
    assert np.isnan(none).all()
