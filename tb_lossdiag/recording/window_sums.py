"""What the rows of windows come to, for all series at once: last, mean, sum, extremes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tb_lossdiag.quantities import Combine
from tb_lossdiag.records import Doubles, Floats, Steps

Indices = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Sums:
    """W windows of K series. NaN = not recorded; extremes and means are of finite values.

    Attributes:
        count: int64[W], different steps.
        last_step: int64[W].
        last_time: float64[W], wall time of that step.
        last: float64[W, K], last value that is not NaN.
        total: float64[W, K], sum of the finite values.
        finite: float64[W, K], how many there were.
        seen: float64[W, K], values that are not NaN.
        high: float64[W, K], largest finite value; NaN where there is none.
        at: int64[W, K], first step that had it; means nothing where there is none. Float64 would lose steps beyond 2**53.
        low: float64[W, K], smallest finite value.
    """

    count: Steps
    last_step: Steps
    last_time: Doubles
    last: Doubles
    total: Doubles
    finite: Doubles
    seen: Doubles
    high: Doubles
    at: Steps
    low: Doubles

    def combined(self, rules: Indices, window: int) -> Floats:
        """float32[len(rules)]: the one number that stands for each series in a window, by `places` of the rules."""
        last, finite = self.last[window], self.finite[window]
        if self.count[window] == 1 and self.seen[window].max(initial=0) <= 1:
            values = last  # one step, once: nothing to combine
        else:
            mean = np.where(finite > 0, self.total[window] / np.maximum(finite, 1), last)
            sums = np.where(self.seen[window] > 0, self.total[window], np.nan)
            choices = [last, mean, sums, self.high[window], self.low[window]]
            values = np.choose(rules[: len(last)], choices)
        return _widened(values, len(rules)).astype(np.float32)

    def extremes(self, window: int, places: Indices) -> Floats:
        """float32[C, 3 * E] of the series at places [C, E]: largest, steps from there to the window's end, smallest."""
        wide = int(places.max()) + 1
        high, low = (_widened(v[window], wide)[places] for v in (self.high, self.low))
        lag = self.last_step[window] - _widened_steps(self.at[window], wide)[places]
        three = np.stack([high, np.where(np.isnan(high), np.nan, lag), low], axis=-1)
        return three.reshape(len(places), -1).astype(np.float32)

    def joined(self, later: Sums) -> Sums:
        """The last window of these and the first of the later ones as one, followed by the rest of the later ones."""
        width = later.last.shape[1]
        a = {name: _widened(getattr(self, name)[-1], width) for name in _SERIES}
        at = _widened_steps(self.at[-1], width)
        b = {name: getattr(later, name)[0] for name in _SERIES}
        higher = ~(b["high"] > a["high"]) & ~np.isnan(a["high"])
        first = {
            "last": np.where(np.isnan(b["last"]), a["last"], b["last"]),
            "total": np.nan_to_num(a["total"]) + b["total"],
            "finite": np.nan_to_num(a["finite"]) + b["finite"],
            "seen": np.nan_to_num(a["seen"]) + b["seen"],
            "high": np.where(higher, a["high"], b["high"]),
            "low": np.fmin(a["low"], b["low"]),
        }
        rows = {name: np.concatenate([[first[name]], getattr(later, name)[1:]]) for name in _SERIES}
        where = np.concatenate([[np.where(higher, at, later.at[0])], later.at[1:]])
        count = later.count.copy()
        count[0] += self.count[-1]
        return Sums(count, later.last_step, later.last_time, at=where, **rows)


_ORDER = (Combine.LAST, Combine.MEAN, Combine.SUM, Combine.MAX, Combine.MIN)
_PLACES = {rule: place for place, rule in enumerate(_ORDER)}
_SERIES = ("last", "total", "finite", "seen", "high", "low")


def places(rules: Sequence[Combine]) -> Indices:
    """What `Sums.combined` needs of each series."""
    return np.array([_PLACES[rule] for rule in rules], np.intp)


def summed(steps: Steps, times: Doubles, values: Floats, ends: Steps) -> Sums:
    """Sum up rows in windows.

    Args:
        steps: int64[n], not decreasing.
        times: float64[n].
        values: float32[n, K].
        ends: int64[W], rows after which a window ends.
    """
    used = int(ends[-1])
    steps, wide = steps[:used], values[:used].astype(np.float64)
    begins = np.append(0, ends[:-1])
    fresh = np.append(True, np.diff(steps) > 0)
    fresh[begins] = True
    count = np.add.reduceat(fresh.astype(np.int64), begins)
    last_row = ends - 1
    if used == len(ends):  # a row is a window
        return _single(steps, times[:used], wide, count)
    there, finite = ~np.isnan(wide), np.isfinite(wide)
    rows = np.arange(used)[:, None]
    newest = np.maximum.reduceat(np.where(there, rows, -1), begins, axis=0)
    high = np.maximum.reduceat(np.where(finite, wide, -np.inf), begins, axis=0)
    which = np.repeat(np.arange(len(ends)), ends - begins)
    is_high = finite & (wide == high[which])
    first = np.minimum.reduceat(np.where(is_high, rows, used), begins, axis=0)
    low = np.minimum.reduceat(np.where(finite, wide, np.inf), begins, axis=0)
    some = np.add.reduceat(finite, begins, axis=0, dtype=np.float64)
    columns = np.arange(wide.shape[1])
    return Sums(
        count,
        steps[last_row],
        times[last_row],
        np.where(newest < 0, np.nan, wide[np.maximum(newest, 0), columns]),
        np.add.reduceat(np.where(finite, wide, 0.0), begins, axis=0),
        some,
        np.add.reduceat(there, begins, axis=0, dtype=np.float64),
        np.where(some > 0, high, np.nan),
        steps[np.minimum(first, used - 1)],
        np.where(some > 0, low, np.nan),
    )


def _single(steps: Steps, times: Doubles, wide: Doubles, count: Steps) -> Sums:
    there, finite = ~np.isnan(wide), np.isfinite(wide)
    known = np.where(finite, wide, np.nan)
    at: Steps = np.broadcast_to(steps[:, None], wide.shape)
    total = np.where(finite, wide, 0.0)
    seen, some = there.astype(float), finite.astype(float)
    return Sums(count, steps, times, wide, total, some, seen, known, at, known)


def _widened(values: Doubles, width: int) -> Doubles:
    """float64[width]: series that came later are NaN."""
    missing = width - len(values)
    return np.append(values, np.full(missing, np.nan)) if missing > 0 else values


def _widened_steps(steps: Steps, width: int) -> Steps:
    """int64[width]: those of series that came later mean nothing."""
    missing = width - len(steps)
    return np.append(steps, np.zeros(missing, np.int64)) if missing > 0 else steps
