"""How much of the loss a penalty is, by values alone."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.curve import row_at
from tb_lossdiag.analysis.levels import level, median
from tb_lossdiag.analysis.terms import typical_weight, values_of
from tb_lossdiag.records import Doubles
from tb_lossdiag.run import Run


class Burden(NamedTuple):
    """A penalty's share of the loss, and what became of a data term meanwhile.

    Attributes:
        first: median share of the penalty in its sum with the data term, over the first tenth of the steps.
        last: the same over the last quarter.
        start: level of the data term over its first records.
        end: over the last quarter.
        late_fall: what the data term lost from the third quarter of the steps to the last, as a share of its start.
    """

    first: float
    last: float
    start: float
    end: float
    late_fall: float


def burden(run: Run, penalty: str, data: str) -> Burden | None:
    """The two terms side by side; None for terms that are not positive. Reads `LOSS_TERM` and `LOSS_WEIGHT`."""
    big, small = (_contribution(run, name) for name in (penalty, data))
    there = np.isfinite(big) & np.isfinite(small)
    big, small = big[there], small[there]
    if len(big) < _LEAST or min(big.min(), small.min()) < 0 or not small[:3].max() > 0:
        return None
    share = big / np.maximum(big + small, 1e-30)
    steps = run[q.LOSS_TERM].steps[there]
    tenth, half, last = (row_at(steps, part) for part in (0.1, 0.5, 0.75))
    start, end = float(median(small[:3])), float(median(small[last:]))
    middle = float(median(small[half:last]))
    early, late = float(median(share[: max(3, tenth)])), float(median(share[last:]))
    return Burden(early, late, start, end, (middle - end) / start)


def _contribution(run: Run, name: str) -> Doubles:
    """float64[T]: weight x value, smoothed over five records."""
    return level(abs(typical_weight(run, name)) * values_of(run, name), 5)


_LEAST = 20
"""Records; a quarter of fewer is no level."""
