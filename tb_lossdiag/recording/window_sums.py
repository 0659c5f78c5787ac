"""What the rows of windows come to, for all series at once: last, mean, sum, extremes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from tb_lossdiag.quantities import Combine
from tb_lossdiag.records import Doubles, Floats, Steps

Indices = npt.NDArray[np.intp]
Bools = npt.NDArray[np.bool_]
Real = TypeVar("Real", np.float32, np.float64)


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

    def combined(self, rules: Indices) -> Floats:
        """float32[W, len(rules)]: the one number that stands for each series in each window, by `places` of the rules."""
        values = self.last.astype(np.float32)
        several = self.several
        if several.any():
            for rule in range(1, len(_ORDER)):
                where = np.flatnonzero(rules[: values.shape[1]] == rule)
                new = self._combined(_ORDER[rule], where)
                values[:, where] = np.where(several[:, None], new, values[:, where])
        return _widened(values, len(rules))

    @property
    def several(self) -> Bools:
        """bool[W]: whether there is something to combine: more than one step, once."""
        several: Bools = (self.count > 1) | (self.seen.max(axis=1, initial=0) > 1)
        return several

    def extremes(self, places: Indices) -> Floats:
        """float32[W, C, 3 * E] of the series at places [C, E]: largest, steps from there to the window's end, smallest."""
        wide = int(places.max()) + 1
        high, low = _widened(self.high, wide)[:, places], _widened(self.low, wide)[:, places]
        lag = self.last_step[:, None, None] - _widened_steps(self.at, wide)[:, places]
        three = np.empty((*high.shape, 3), np.float32)
        three[..., 0], three[..., 2] = high, low
        three[..., 1] = np.where(np.isnan(high), np.nan, lag)
        return three.reshape(len(high), len(places), -1)

    def _combined(self, rule: Combine, where: Indices) -> Doubles:
        """float64[W, n] of the series there, which have this rule."""
        if rule is Combine.MAX:
            return self.high[:, where]
        if rule is Combine.MIN:
            return self.low[:, where]
        total = self.total[:, where]
        if rule is Combine.SUM:
            return np.where(self.seen[:, where] > 0, total, np.nan)
        some = self.finite[:, where]
        return np.where(some > 0, total / np.maximum(some, 1), self.last[:, where])

    def joined(self, later: Sums) -> Sums:
        """The last window of these and the first of the later ones as one, followed by the rest of the later ones."""
        width = later.last.shape[1]
        a = {name: _widened(getattr(self, name)[-1:], width)[0] for name in _SERIES}
        at = _widened_steps(self.at[-1:], width)[0]
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
    steps, values = steps[:used], values[:used]
    begins = np.append(0, ends[:-1])
    fresh = np.append(True, np.diff(steps) > 0)
    fresh[begins] = True
    count = np.add.reduceat(fresh.astype(np.int64), begins)
    last_row = ends - 1
    if used == len(ends):  # a row is a window
        return _single(steps, times[:used], values.astype(np.float64), count)
    if (whole := _whole(values)) is not None:
        return _dense(steps, times, values, whole, begins, ends, count)
    wide = values.astype(np.float64)
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


def _whole(values: Floats) -> Bools | None:
    """bool[K]: the series that have a finite value in every row, if the others have none at all; None where it is not so simple."""
    whole: Bools = np.logical_and.reduce(np.isfinite(values), axis=0)
    return whole if whole.all() or np.isnan(values[:, ~whole]).all() else None


def _dense(
    steps: Steps,
    times: Doubles,
    values: Floats,
    whole: Bools,
    begins: Steps,
    ends: Steps,
    count: Steps,
) -> Sums:
    """The same where nothing is missing in a series, or all: no value has to be asked what it is."""
    size, last = ends - begins, ends - 1
    if (size == size[0]).all():
        each = values.reshape(len(ends), int(size[0]), -1)
        at = each.argmax(axis=1) + begins[:, None]
    else:
        parts = zip(begins.tolist(), ends.tolist(), strict=True)
        at = np.stack([values[a:b].argmax(axis=0) + a for a, b in parts])
    high = np.maximum.reduceat(values, begins, axis=0).astype(np.float64)
    low = np.minimum.reduceat(values, begins, axis=0).astype(np.float64)
    total = np.add.reduceat(values, begins, axis=0, dtype=np.float64)
    total[:, ~whole] = 0.0
    some = np.where(whole, size[:, None].astype(np.float64), 0.0)
    newest = values[last].astype(np.float64)
    return Sums(count, steps[last], times[last], newest, total, some, some, high, steps[at], low)


def _widened(values: npt.NDArray[Real], width: int) -> npt.NDArray[Real]:
    """float[W, width]: series that came later are NaN."""
    missing = width - values.shape[1]
    if missing <= 0:
        return values
    return np.concatenate([values, np.full((len(values), missing), np.nan, values.dtype)], axis=1)


def _widened_steps(steps: Steps, width: int) -> Steps:
    """int64[W, width]: those of series that came later mean nothing."""
    missing = width - steps.shape[1]
    return np.pad(steps, ((0, 0), (0, missing))) if missing > 0 else steps
