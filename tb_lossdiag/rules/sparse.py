"""Quantities that are recorded at some steps only, beside others that are recorded at all."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tb_lossdiag.quantities import Quantity
from tb_lossdiag.records import Doubles, Run, Steps, Table
from tb_lossdiag.rules.spans import Bools


def latest(table: Table, steps: Steps, columns: Sequence[str] | None = None) -> Doubles:
    """float64[len(steps), C]: per column the value last known at each step; before the first one, the first.

    For what changes little between its records, such as the norm of a weight. NaN for columns without a value.
    """
    wanted = table.columns if columns is None else tuple(columns)
    values: Doubles = table.at(steps, wanted).astype(np.float64)
    if not np.isnan(values).any():
        return values
    for index, name in enumerate(wanted):
        column = table.column(name)
        known = np.flatnonzero(~np.isnan(column))
        if len(known):
            at = np.searchsorted(table.steps[known], steps, side="right") - 1
            values[:, index] = column[known[np.maximum(at, 0)]]
    return values


def windowed(run: Run, quantity: Quantity) -> Bools:
    """bool[T]: the records of a quantity that cover several different values, not one step."""
    low, high = run.lowest(quantity).values, run.highest(quantity).values
    several: Bools = np.logical_or.reduce(high > low, axis=1)
    return several
