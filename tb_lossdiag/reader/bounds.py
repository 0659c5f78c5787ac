"""What steps and wall times can be: a file may say anything."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tb_lossdiag.records import Doubles, Steps

DAMAGED = (ArithmeticError, LookupError, MemoryError, TypeError, ValueError)
"""What TensorBoard raises where a tensor is none: its dtype is unknown, its size is not its shape's. Other errors are the provider's."""
_FARTHEST = 2**62
"""Steps beyond it have differences that are no int64."""
_LATEST = 8.64e12
"""Seconds: what a browser's clock can show, 270,000 years from 1970."""


def countable(steps: Steps) -> npt.NDArray[np.bool_]:
    """Which steps can be compared with each other."""
    return (steps > -_FARTHEST) & (steps < _FARTHEST)


def plausible(times: Doubles) -> Doubles:
    """Wall times, with the nearest earlier one (or the first of all) in place of what is none; NaN if none is one.

    >>> plausible(np.array([np.nan, 5.0, 1e300, 7.0])).tolist()
    [5.0, 5.0, 5.0, 7.0]
    """
    good = np.flatnonzero(np.abs(times) <= _LATEST)
    if len(good) == len(times):
        return times
    if not len(good):
        return np.full(len(times), np.nan)
    before = np.searchsorted(good, np.arange(len(times)), side="right") - 1
    return times[good[np.maximum(before, 0)]]
