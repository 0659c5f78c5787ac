"""What many values of each column come to: last, mean, sum, extremes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tb_lossdiag.quantities import Combine
from tb_lossdiag.records import Doubles, Floats, Steps


class Sum:
    """Running sums of C columns. NaN = not recorded; extremes and means are of finite values.

    Attributes:
        high: float64[C], largest finite value; NaN while there is none.
        at: float64[C], first step that had it.
        low: float64[C], smallest finite value.
    """

    def __init__(self) -> None:
        """Of no column yet."""
        none: Doubles = np.empty(0, np.float64)
        self.high, self.at, self.low = none, none, none
        self._last, self._total, self._finite, self._seen = none, none, none, none

    def widen(self, columns: int) -> None:
        """Make room for columns that came late."""
        more = columns - len(self.high)
        if more <= 0:
            return
        unknown, zero = np.full(more, np.nan), np.zeros(more)
        self.high, self.low = np.append(self.high, unknown), np.append(self.low, unknown)
        self.at, self._last = np.append(self.at, unknown), np.append(self._last, unknown)
        self._total, self._finite = np.append(self._total, zero), np.append(self._finite, zero)
        self._seen = np.append(self._seen, zero)

    def fold(self, steps: Steps, values: Floats) -> None:
        """Add the values float32[n, C] of steps int64[n]."""
        wide = values.astype(np.float64)
        there, finite = ~np.isnan(wide), np.isfinite(wide)
        self._total += np.where(finite, wide, 0.0).sum(axis=0)
        self._finite += finite.sum(axis=0)
        self._seen += there.sum(axis=0)
        newest = _at(wide, len(wide) - 1 - np.argmax(there[::-1], axis=0))
        self._last = np.where(there.any(axis=0), newest, self._last)
        row = np.argmax(np.where(finite, wide, -np.inf), axis=0)
        high = np.where(finite.any(axis=0), _at(wide, row), np.nan)
        higher = (high > self.high) | (np.isnan(self.high) & ~np.isnan(high))
        self.at = np.where(higher, steps[row], self.at)
        self.high = np.where(higher, high, self.high)
        low = np.where(finite, wide, np.inf).min(axis=0)
        self.low = np.fmin(self.low, np.where(np.isinf(low), np.nan, low))

    def combined(self, how: Combine) -> Floats:
        """float32[C]: the one number that stands for each column."""
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = np.where(self._finite > 0, self._total / self._finite, self._last)
        values = {
            Combine.LAST: self._last,
            Combine.MEAN: mean,
            Combine.SUM: np.where(self._seen > 0, self._total, np.nan),
            Combine.MAX: self.high,
            Combine.MIN: self.low,
        }[how]
        with np.errstate(over="ignore"):
            return values.astype(np.float32)


def _at(values: Doubles, rows: npt.NDArray[np.intp]) -> Doubles:
    """float64[C]: from each column the value in its row."""
    picked: Doubles = np.take_along_axis(values, rows[None], axis=0)[0]
    return picked
