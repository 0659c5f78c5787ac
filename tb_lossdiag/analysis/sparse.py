"""Quantities that are recorded at some steps only, beside others that are recorded at all."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tb_lossdiag.analysis.levels import Bools
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.records import Doubles, Steps, Table
from tb_lossdiag.run import Run

Places = npt.NDArray[np.intp]


class Before(Enum):
    """What is in force before the first record."""

    NOTHING = "nothing"
    """NaN: it was not known yet."""
    FIRST = "first"
    """The first value: it changes little, or was so from the start."""


def record_in_force(recorded: Steps, steps: Steps) -> Places:
    """intp[len(steps)]: which record is the last at or before each step, -1 before the first.

    >>> record_in_force(np.array([2, 5]), np.array([1, 2, 4, 9])).tolist()
    [-1, 0, 0, 1]
    """
    return np.searchsorted(recorded, steps, side="right") - 1


def in_force(
    values: npt.NDArray[Any], recorded: Steps, steps: Steps, before: Before = Before.NOTHING
) -> npt.NDArray[Any]:
    """The value last known at each step.

    Args:
        values: [T, ...], one row per record.
        recorded: int64[T], increasing.
        steps: int64[S].
        before: what is in force before the first record.

    Returns:
        [S, ...]; all NaN without a record.

    >>> in_force(np.array([7.0, 8.0]), np.array([2, 5]), np.array([1, 3, 9]), Before.FIRST).tolist()
    [7.0, 7.0, 8.0]
    """
    if not len(recorded):
        return np.full((len(steps), *values.shape[1:]), np.nan, values.dtype)
    rows = record_in_force(recorded, steps)
    found = values[np.maximum(rows, 0)]
    if before is Before.NOTHING:
        found[rows < 0] = np.nan
    return found


def latest(table: Table, steps: Steps, columns: Sequence[str] | None = None) -> Doubles:
    """float64[len(steps), C]: per column the value last known at each step; before the first one, the first.

    For what changes little between its records, such as the norm of a weight. NaN for columns without a value.
    """
    known = held(table, steps, columns)
    return known.values[known.rows]


class Held(NamedTuple):
    """What `latest` gives, without a row for each step.

    Attributes:
        values: float64[S, C].
        rows: int64[T], which of them holds at a step.
    """

    values: Doubles
    rows: Steps


def held(table: Table, steps: Steps, columns: Sequence[str] | None = None) -> Held:
    """Per column the value last known, as few rows as there are records of it."""
    wanted = table.columns if columns is None else tuple(columns)
    if not len(table):
        return Held(np.full((1, len(wanted)), np.nan), np.zeros(len(steps), np.int64))
    values: Doubles = table.at(table.steps, wanted).astype(np.float64)
    known = ~np.isnan(values)
    if not known.all():
        number = np.arange(len(values))[:, None]
        row = np.maximum.accumulate(np.where(known, number, -1), axis=0)
        row = np.where(row < 0, np.argmax(known, axis=0), row)
        values = np.take_along_axis(values, row, axis=0)
    return Held(values, np.maximum(record_in_force(table.steps, steps), 0))


def windowed(run: Run, quantity: Quantity) -> Bools:
    """bool[T]: the records of a quantity that cover several different values, not one step."""
    low, high = run.lowest(quantity).values, run.highest(quantity).values
    several: Bools = np.logical_or.reduce(high > low, axis=1)
    return several
