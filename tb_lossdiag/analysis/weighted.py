"""Statistics of records that cover different numbers of steps: a record counts as often as it has steps."""

from __future__ import annotations

import numpy as np

from tb_lossdiag.records import Doubles


def mean(values: Doubles, weights: Doubles) -> float:
    """Weighted mean; NaN without weight.

    >>> mean(np.array([0.0, 1.0]), np.array([3.0, 1.0]))
    0.25
    """
    total = float(weights.sum())
    return float((values * weights).sum() / total) if total > 0 else float("nan")


def quantile(values: Doubles, weights: Doubles, share: float) -> float:
    """The smallest value that at least `share` of the weight does not exceed; NaN without values.

    >>> quantile(np.array([5.0, 1.0, 2.0]), np.array([1.0, 1.0, 8.0]), 0.5)
    2.0
    """
    if not len(values):
        return float("nan")
    order = np.argsort(values)
    below = np.cumsum(weights[order])
    place = int(np.searchsorted(below, share * below[-1]))
    return float(values[order][min(place, len(values) - 1)])
