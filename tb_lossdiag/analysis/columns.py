"""Quantities read column by column, without the records in which a value could not be seen."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.levels import Bools
from tb_lossdiag.analysis.sparse import in_force
from tb_lossdiag.diagnosis.rule import NotEnough, Text
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.records import Doubles, Steps
from tb_lossdiag.run import Run


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


def latest(run: Run, quantity: Quantity, steps: Steps, column: str = "") -> Doubles:
    """float64[len(steps)]: the last value at or before each step, NaN where there is none."""
    if quantity not in run:
        return np.full(len(steps), np.nan)
    values = run[quantity].column(column).astype(np.float64)
    there = ~np.isnan(values)
    return in_force(values[there], run[quantity].steps[there], steps)


def before(run: Run, quantity: Quantity, step: int, column: str = "") -> float:
    """The last value at or before a step, NaN if there is none."""
    return float(latest(run, quantity, np.array([step]), column)[0])


def loss_broke_at(run: Run) -> float:
    """First step with a NaN or infinite loss; infinity if there is none, or if it was not recorded."""
    if q.LOSS_NONFINITE not in run:
        return np.inf
    table, at = run[q.LOSS_NONFINITE], run.highest_at(q.LOSS_NONFINITE)
    broken = at[table.values > 0]
    return float(broken.min()) if len(broken) else np.inf


def not_recorded(*quantities: Quantity) -> NotEnough:
    """None of these was recorded; one of them would do."""
    names = ", ".join(quantity.name for quantity in quantities)
    how = "; or ".join(dict.fromkeys(quantity.how for quantity in quantities))
    return NotEnough(Text("none of {names} recorded: {how}").format(names=names, how=how))


def too_few(least: int, what: Text) -> NotEnough:
    """Fewer of something than a rule needs; the text names it in the plural."""
    return NotEnough(Text("at least {least} {what}").format(least=least, what=what))
