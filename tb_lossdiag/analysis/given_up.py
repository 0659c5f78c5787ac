"""What a penalty's fall has cost, by values alone: a data term given up again, or weights that are gone."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.levels import level, median
from tb_lossdiag.analysis.terms import DIVERGENCE, penalties, term_fall, typical_weight, values_of
from tb_lossdiag.run import Run


class GivenUp(NamedTuple):
    """A data term after its lowest level, beside a penalty.

    Attributes:
        row: record of the lowest level.
        records: from there to the end.
        first: its level at the beginning.
        best: that level.
        end: the data term's last level.
        start: the penalty's level where the data term was lowest.
        rest: the penalty's last level.
        share: median share of the penalty in the sum of both, from there on.
    """

    row: int
    records: int
    first: float
    best: float
    end: float
    start: float
    rest: float
    share: float


class Shrunk(NamedTuple):
    """A penalty of which nothing is left.

    Attributes:
        row: first record in which that is so.
        records: in which it is.
        start: its level over the first three records.
        end: over the last three.
    """

    row: int
    records: int
    start: float
    end: float


def held(run: Run) -> list[str]:
    """Penalties of the weights: KL divergences are none. Reads `LOSS_TERM`."""
    return [n for n in penalties(run, run[q.LOSS_TERM].columns) if not DIVERGENCE.search(n)]


def given_up(run: Run, penalty: str, data: str, smooth: int) -> GivenUp:
    """The two terms from the data term's lowest level on. Reads `LOSS_TERM` and `LOSS_WEIGHT`."""
    big, small = (level(values_of(run, name), smooth) for name in (penalty, data))
    row = int(np.nanargmin(small)) if np.isfinite(small).any() else 0
    weight = typical_weight(run, penalty)
    share = weight * big[row:] / (weight * big[row:] + small[row:])
    first, best, end = (float(each) for each in small[[0, row, -1]])
    start, rest = float(big[row]), float(big[-1])
    return GivenUp(row, len(small) - row, first, best, end, start, rest, float(median(share)))


def shrunk(run: Run, name: str, most: float) -> Shrunk | None:
    """None unless a term that began above zero has kept no more than `most` of its start until the end. Reads `LOSS_TERM`."""
    table = run[q.LOSS_TERM]
    values = table.column(name)
    # What goes on falling below zero has not come to nothing.
    rest = np.abs(1 - term_fall(run, name, table.steps))
    gone = np.flatnonzero((rest <= most) & (values[:3].min() > 0))
    if not len(gone) or gone[-1] != len(table) - 1:
        return None
    start, end = (float(median(each)) for each in (values[:3], values[-3:]))
    return Shrunk(int(gone[0]), len(gone), start, end)
