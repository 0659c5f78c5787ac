"""Records far above what came just before, by robust statistics in the logarithm."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tb_lossdiag.analysis.levels import Bools, Span, median, spans
from tb_lossdiag.records import Doubles, Floats, Steps

_GAUSS = 1.4826
"""Standard deviation of a normal distribution over its median absolute deviation."""
_TINY = 1e-30
_BLOCK = 8
"""Records that share one baseline, at least; more in long runs, so that they stay quick."""


@dataclass(frozen=True)
class Baseline:
    """What the records just before lead one to expect; NaN where there are too few of them.

    Attributes:
        level: float64[T, C], geometric: exp(median of logarithms), of the last quarter of the window, or of its very last records
            if that is higher.
        spread: float64[T, C], standard deviation of the logarithms from record to record: a trend doesn't count.
    """

    level: Doubles
    spread: Doubles

    def deviation(self, values: Doubles) -> Doubles:
        """float64[T, C]: distance of the logarithms from the level in standard deviations.

        Noise of losses and gradients is a factor rather than a difference, so that it is near normal in the logarithm.
        """
        distance = np.log(np.maximum(values, _TINY)) - np.log(np.maximum(self.level, _TINY))
        return distance / np.maximum(self.spread, 1e-3)  # exact repetition is no noise to divide by


def baseline(values: Doubles, window: int, least: int) -> Baseline:
    """The baseline of each record from up to `window` records before it.

    Args:
        values: float64[T, C]; NaN, infinite and not positive ones don't count.
        window: records that are looked back on.
        least: of these, how many must have a value.
    """
    level, spread = np.full(values.shape, np.nan), np.full(values.shape, np.nan)
    for rows, past in _blocks(values, window, least):
        before = _expected(past, window, least)
        level[rows], spread[rows] = before.level, before.spread
    return Baseline(level, spread)


class Suspects(NamedTuple):
    """A block of records and the columns of it that may have jumped.

    Attributes:
        rows: the block.
        columns: intp[N].
        before: what they were, float64[1, N].
    """

    rows: slice
    columns: Steps
    before: Baseline


def suspects(values: Floats, window: int, least: int, factor: float) -> Iterator[Suspects]:
    """The baselines of `baseline`, only for columns of which a finite value may reach `factor` times the level within a block.

    The level is a median of the last records, so it lies above the lowest of them: that bound costs a pass, not a sort.
    """
    for rows, past in _blocks(values, window, least):
        recent, quarter = _lowest(past[-_BLOCK:]), _lowest(past[-window // 4 :])
        bound = np.where(np.isfinite(recent), recent, quarter)
        now = values[rows]
        highest = np.fmax.reduce(np.where(np.isfinite(now), now, -np.inf), axis=0)
        columns = np.flatnonzero(highest >= 0.999 * factor * bound)  # a hair less, for rounding
        if len(columns):
            before = _expected(past[:, columns].astype(np.float64), window, least)
            yield Suspects(rows, columns, before)


def _blocks(
    values: npt.NDArray[Any], window: int, least: int
) -> Iterator[tuple[slice, npt.NDArray[Any]]]:
    """Blocks of records that have at least so many before them, and up to `window` of those."""
    block = max(_BLOCK, len(values) // 250)
    for start in range(0, len(values), block):
        past = values[max(0, start - window) : start]
        if len(past) >= least:
            yield slice(start, start + block), past


def _expected(past: Doubles, window: int, least: int) -> Baseline:
    """The baseline of one block, float64[1, C], from the values before it."""
    logs = np.log(np.where(np.isfinite(past) & (past > 0), past, np.nan))
    enough = (~np.isnan(logs)).sum(axis=0, keepdims=True) >= least
    # A slow rise is no spike: it lifts its own last records.
    middle = np.fmax(median(logs[-window // 4 :], axis=0), median(logs[-_BLOCK:], axis=0))
    jumps = median(np.abs(np.diff(logs, axis=0)), axis=0)
    level = np.where(enough, np.exp(middle), np.nan)
    return Baseline(level, np.where(enough, _GAUSS / np.sqrt(2) * jumps, np.nan))


def _lowest(values: Floats) -> Floats:
    """float32[C]: the lowest value above 0, infinity if there is none."""
    lowest: Floats = np.fmin.reduce(np.where(values > 0, values, np.inf), axis=0)
    return lowest


class Jumps(NamedTuple):
    """Single jumps, in the order of records and parameters: where, how high, and from what level."""

    rows: Steps
    columns: Steps
    peak: Doubles
    level: Doubles

    @classmethod
    def joined(cls, parts: Sequence[Jumps]) -> Jumps:
        """Those of several blocks of records."""
        whole = [np.concatenate([np.zeros(0), *some]) for some in zip(*parts, strict=True)]
        rows, columns, peak, level = whole or 4 * [np.zeros(0)]
        return cls(rows.astype(np.int64), columns.astype(np.int64), peak, level)

    def within(self, span: Span) -> Jumps:
        """Those of some records."""
        first = int(np.searchsorted(self.rows, span.first))
        last = int(np.searchsorted(self.rows, span.last, side="right"))
        some = slice(first, last)
        return Jumps(self.rows[some], self.columns[some], self.peak[some], self.level[some])

    @property
    def ratio(self) -> Doubles:
        """Height over level."""
        return self.peak / self.level


def grouped(mask: Bools, gap: int) -> list[Span]:
    """Intervals of True records; two that are at most `gap` records apart are one.

    >>> grouped(np.array([True, False, True, False, False, False, True]), 1)
    [Span(first=0, last=2), Span(first=6, last=6)]
    """
    found: list[Span] = []
    for span in spans(mask, 1):
        if found and span.first - found[-1].last - 1 <= gap:
            found[-1] = Span(found[-1].first, span.last)
        else:
            found.append(span)
    return found
