"""Quantities read column by column, also beside others: without records in which nothing could be seen, and as the value in force at a step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import Enum
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.levels import Bools
from tb_lossdiag.diagnosis.quantity_names import in_words
from tb_lossdiag.diagnosis.rule import NotEnough, Text
from tb_lossdiag.diagnosis.ways import said
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


class Sighting(NamedTuple):
    """What one column shows.

    Attributes:
        column: its name.
        steps: int64[T].
        values: float64[T], all finite.
    """

    column: str
    steps: Steps
    values: Doubles


def columns(run: Run, quantity: Quantity) -> Iterator[Sighting]:
    """Each column's finite values; nothing if the quantity was not recorded."""
    if quantity not in run:
        return
    table = run[quantity]
    finite = np.isfinite(table.values)
    whole: list[bool] = np.logical_and.reduce(finite, axis=0).tolist()
    for place, name in enumerate(table.columns):
        values = table.values[:, place].astype(np.float64)
        # Most columns are whole, and there may be many: searching each would cost most of the time.
        there: Bools | slice = slice(None) if whole[place] else finite[:, place]
        yield Sighting(name, table.steps[there], values[there])


def at_steps(
    run: Run, quantity: Quantity, steps: Steps, column: str = "", unknown: float = np.nan
) -> Doubles:
    """float64[len(steps)]: another quantity at these steps, `unknown` where it was not recorded."""
    if quantity not in run:
        return np.full(len(steps), unknown)
    values = run[quantity].at(steps, (column,))[:, 0].astype(np.float64)
    return np.where(np.isnan(values), unknown, values)


def counts_at(run: Run, quantity: Quantity, steps: Steps, column: str, unknown: float) -> Doubles:
    """float64[len(steps)]: how often something was at these steps; 0 for what is no count."""
    values = at_steps(run, quantity, steps, column, unknown)
    return np.where(np.isfinite(values) & (values > 0), values, 0.0)


def column_in_force(run: Run, quantity: Quantity, steps: Steps, column: str = "") -> Doubles:
    """float64[len(steps)]: the last value at or before each step, NaN where there is none."""
    if quantity not in run:
        return np.full(len(steps), np.nan)
    values = run[quantity].column(column).astype(np.float64)
    there = ~np.isnan(values)
    return in_force(values[there], run[quantity].steps[there], steps)


def value_in_force(run: Run, quantity: Quantity, step: int, column: str = "") -> float:
    """The last value at or before a step, NaN if there is none."""
    return float(column_in_force(run, quantity, np.array([step]), column)[0])


def last_seen(run: Run, quantity: Quantity) -> int:
    """Last step whose record says 1 of a fact of the whole run; -1 without one."""
    if quantity not in run:
        return -1
    steps = run[quantity].steps[run[quantity].values[:, 0] == 1]
    return int(steps[-1]) if len(steps) else -1


def first_known(run: Run, quantity: Quantity, column: str = "") -> float:
    """The quantity's first value of a column, NaN if there is none."""
    return first_finite(run[quantity].column(column)) if quantity in run else float("nan")


def first_finite(values: npt.NDArray[np.floating]) -> float:
    """The first value that is known, NaN without one.

    >>> first_finite(np.array([np.nan, 7.0, 8.0]))
    7.0
    """
    known = values[np.isfinite(values)]
    return float(known[0]) if len(known) else float("nan")


def loss_broke_at(run: Run) -> float:
    """First step with a NaN or infinite loss; infinity if there is none, or if it was not recorded."""
    if q.LOSS_NONFINITE not in run:
        return np.inf
    table, at = run[q.LOSS_NONFINITE], run.highest_at(q.LOSS_NONFINITE)
    broken = at[table.values > 0]
    return float(broken.min()) if len(broken) else np.inf


def not_recorded(*quantities: Quantity) -> NotEnough:
    """None of these was recorded; one of them would do."""
    names = in_words([quantity.name for quantity in quantities])
    how = "; or ".join(dict.fromkeys(quantity.how for quantity in quantities))
    return NotEnough(Text("none of {names} recorded: {how}").format(names=names, how=said(how)))


def too_few(least: int, what: Text) -> NotEnough:
    """Fewer of something than a rule needs; the text names it in the plural."""
    return NotEnough(Text("at least {least} {what}").format(least=least, what=what))
