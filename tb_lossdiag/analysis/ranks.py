"""What data-parallel ranks told each other, comparison by comparison."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import at_steps
from tb_lossdiag.analysis.levels import Bools
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.records import Doubles, Steps
from tb_lossdiag.run import Run


@dataclass(frozen=True)
class Comparisons:
    """The comparisons of one watched model's ranks in which something was known.

    Attributes:
        run: what they are of.
        column: the model's name.
        steps: int64[N].
    """

    run: Run
    column: str
    steps: Steps

    def of(self, quantity: Quantity) -> Doubles:
        """float64[N] of another quantity at the same comparisons."""
        return at_steps(self.run, quantity, self.steps, self.column)

    def only(self, which: Bools) -> Comparisons:
        """Some of them."""
        return Comparisons(self.run, self.column, self.steps[which])

    def __len__(self) -> int:
        """How many there are."""
        return len(self.steps)


def comparisons(run: Run, quantity: Quantity) -> Iterator[Comparisons]:
    """Of each watched model, those in which a quantity was known."""
    if quantity not in run:
        return
    table = run[quantity]
    for column in table.columns:
        known = np.isfinite(table.column(column))
        yield Comparisons(run, column, table.steps[known])


def culprit(ranks: Doubles, hits: Bools) -> tuple[int, Bools]:
    """The rank that is named most often where something was hit, and in which comparisons it was; -1 where nothing was.

    >>> rank, which = culprit(np.array([1.0, 3.0, 3.0]), np.array([True, True, False]))
    >>> rank, which.tolist()
    (1, [True, False, False])
    """
    hits = hits & np.isfinite(ranks)
    named = ranks[hits]
    if not len(named):
        return -1, hits
    each, count = np.unique(named, return_counts=True)
    rank = each[int(np.argmax(count))]
    which: Bools = hits & (ranks == rank)
    return int(rank), which


def lasting(which: Bools, least: int) -> bool:
    """Whether it was so in so many comparisons, and in most of them.

    >>> lasting(np.array([True, True, False]), 2)
    True
    """
    return bool(which.sum() >= least and 2 * which.sum() > len(which))


def model(column: str) -> str:
    """The watched model in words, "" for the only one."""
    return f" of `{column}`" if column else ""


def per_step(run: Run, column: str) -> float:
    """Seconds that a step typically takes, NaN where that is not known."""
    if q.STEP_SECONDS not in run:
        return np.nan
    values = run[q.STEP_SECONDS].column(column)
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else np.nan
