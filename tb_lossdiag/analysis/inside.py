"""What check-ups saw inside a model, column by column: attention, routers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from tb_lossdiag.quantities import Quantity
from tb_lossdiag.records import Doubles, Steps
from tb_lossdiag.run import Run


class Seen(NamedTuple):
    """A column at the N check-ups that have a value of it.

    Attributes:
        name: of the column.
        steps: int64[N].
        values: float64[N].
    """

    name: str
    steps: Steps
    values: Doubles


def seen(run: Run, quantity: Quantity, least: int, since: int | None = None) -> Iterator[Seen]:
    """The columns of a quantity that have at least so many values from a step on."""
    table = run[quantity]
    late = table.steps >= (table.steps[0] if since is None else since)
    for index, name in enumerate(table.columns):
        values = table.values[:, index].astype(np.float64)
        there = late & np.isfinite(values)
        if int(there.sum()) >= least:
            yield Seen(name, table.steps[there], values[there])


def typical(run: Run, quantity: Quantity, least: float) -> set[str]:
    """The columns in which a quantity is at least so large, as a rule."""
    return {each.name for each in seen(run, quantity, 1) if np.median(each.values) >= least}


def settled(run: Run, share: float, least: int) -> int:
    """The step from which on a run is no longer in its first part: a share of its steps, or so many."""
    first, last = run.first_step() or 0, run.last_step() or 0
    return first + max(least, int(np.ceil(share * (last - first))))


def rising(values: Doubles, count: int) -> bool:
    """Whether the last so many values rise, each above the one before."""
    return len(values) >= count and bool((np.diff(values[-count:]) > 0).all())
