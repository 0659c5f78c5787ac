"""Shapes are checked once, where a record or table is made."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from tb_lossdiag.quantities import BY_NAME, GRADIENT_NORM, LOSS, QUANTITIES
from tb_lossdiag.recording.journal import Journal
from tb_lossdiag.records import FrameRecord, Record, Table, table
from tb_lossdiag.run import Run

NAN = float("nan")


def test_names_are_unique_and_partners_exist() -> None:
    assert len(BY_NAME) == len(QUANTITIES)
    for quantity in QUANTITIES:
        assert quantity.nonfinite is None or BY_NAME[quantity.nonfinite].frame == quantity.frame


def test_a_record_of_the_wrong_shape_is_refused() -> None:
    with pytest.raises(ValueError, match="loss"):
        Record(LOSS, ("",), np.zeros(2, np.float32))


def test_a_column_given_twice_is_refused_before_it_is_written() -> None:
    journal = Journal(lambda *_: None)
    journal.add(0, 0.0, [FrameRecord("parameter", ("a", "a"), np.zeros((2, 2), np.float32))])
    with pytest.raises(ValueError, match=r"parameter.*twice"):
        journal.flush()


def test_steps_must_increase() -> None:
    with pytest.raises(ValueError, match="increase"):
        table(LOSS, [1, 1], [0.0, 0.0])


def test_a_table_of_the_wrong_shape_is_refused() -> None:
    for columns, times in ((("a", "b"), 2), (("a",), 3)):
        with pytest.raises(ValueError, match=r"loss: values"):
            Table(LOSS, columns, np.arange(2), np.zeros(times), np.zeros((2, 1), np.float32))


def test_a_table_without_columns_or_records_has_nothing_at_any_step() -> None:
    empty = Table(GRADIENT_NORM, (), np.arange(2), np.zeros(2), np.zeros((2, 0), np.float32))
    assert np.isnan(empty.at(np.array([0, 1]), ["a"])).all()
    nothing = Table(LOSS, ("",), np.zeros(0, np.int64), np.zeros(0), np.zeros((0, 1), np.float32))
    assert np.isnan(nothing.at(np.array([3]))).all()


def test_tables_align_on_common_steps_and_columns() -> None:
    a = table(GRADIENT_NORM, [0, 1, 2], [[1, 2], [3, 4], [5, 6]], ["x", "y"])
    b = table(LOSS, [1, 2, 3], [[7], [8], [9]], ["y"])
    left, right = Run("r", {"gradient_norm": a, "loss": b}).aligned(GRADIENT_NORM, LOSS)
    assert left.steps.tolist() == right.steps.tolist() == [1, 2]
    assert left.values.tolist() == [[4.0], [6.0]]
    assert right.values.tolist() == [[7.0], [8.0]]


def test_a_run_gives_only_what_was_declared() -> None:
    run = Run("r", {"loss": table(LOSS, [0], [1.0])}).restricted([GRADIENT_NORM])
    assert LOSS not in run
    with pytest.raises(KeyError):
        run[LOSS]


def test_a_window_keeps_its_extremes_and_where_the_largest_was() -> None:
    tables = [
        table(GRADIENT_NORM, [3, 7], [[1.0], [2.0]], ("w",)),
        table(GRADIENT_NORM.highest(), [7], [[9.0]], ("w",)),
        table(GRADIENT_NORM.highest_lag(), [7], [[2.0]], ("w",)),
        table(GRADIENT_NORM.lowest(), [7], [[0.5]], ("w",)),
    ]
    run = Run("r", {t.quantity.name: t for t in tables}).restricted((GRADIENT_NORM,))
    assert run.highest(GRADIENT_NORM).values[:, 0].tolist() == [1.0, 9.0]
    assert run.lowest(GRADIENT_NORM).values[:, 0].tolist() == [1.0, 0.5]
    assert run.highest_at(GRADIENT_NORM)[:, 0].tolist() == [3, 5]
    assert [run.highest_step(GRADIENT_NORM, row, 0) for row in (0, 1)] == [3, 5]


@pytest.mark.parametrize(
    ("steps", "columns", "expected"),
    [
        ([0, 2, 4], None, [[1, 2], [3, 4], [5, 6]]),
        ([4, 2], ["x", "y"], [[5, 6], [3, 4]]),
        ([2, 2], None, [[3, 4], [3, 4]]),
        ([-1, 1, 2, 9], ["y", "z", "x"], [[NAN] * 3, [NAN] * 3, [4, NAN, 3], [NAN] * 3]),
        ([], None, np.zeros((0, 2))),
    ],
)
def test_a_table_is_asked_at_any_steps_and_columns(
    steps: list[int], columns: list[str] | None, expected: npt.ArrayLike
) -> None:
    a = table(GRADIENT_NORM, [0, 2, 4], [[1, 2], [3, 4], [5, 6]], ["x", "y"])
    np.testing.assert_array_equal(a.at(np.array(steps, np.int64), columns), expected)


def empty() -> Table:
    none = np.zeros(0)
    return Table(GRADIENT_NORM, ("x",), none.astype(np.int64), none, np.zeros((0, 1), np.float32))


def test_an_empty_table_has_nothing_at_any_step() -> None:
    assert np.isnan(empty().at(np.array([0, 1]), ["x", "y"])).all()


def test_what_is_worked_out_is_kept_for_the_run_and_its_parts_but_not_for_another() -> None:
    made = []

    def size(one: Table) -> int:
        made.append(one)
        return len(one)

    tables = {
        "loss": table(LOSS, [0, 1], [1.0, 2.0]),
        "gradient_norm": empty(),
    }
    run = Run("r", tables)
    part = run.restricted([LOSS])
    assert part.cached(size, part[LOSS]) == run.cached(size, run[LOSS]) == 2
    assert run.cached(size, run[GRADIENT_NORM]) == 0
    assert len(made) == 2
    assert replace(run).cached(size, run[LOSS]) == 2
    assert len(made) == 3


def test_the_farthest_steps_are_in_order() -> None:
    steps = [-(2**63), 0, 2**63 - 1]
    assert table(LOSS, steps, [1.0, 2.0, 3.0]).steps.tolist() == steps
    with pytest.raises(ValueError, match="steps must increase"):
        table(LOSS, [2**63 - 1, -(2**63)], [1.0, 2.0])
