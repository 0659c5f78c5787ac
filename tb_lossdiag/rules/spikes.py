"""Records far above what came just before, by robust statistics in the logarithm."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tb_lossdiag.records import Doubles
from tb_lossdiag.rules.spans import Bools, Span, median, spans

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
    block = max(_BLOCK, len(values) // 250)
    logs = np.where(np.isfinite(values) & (values > 0), values, np.nan)
    logs = np.log(logs)
    level, spread = np.full(values.shape, np.nan), np.full(values.shape, np.nan)
    for start in range(0, len(values), block):
        past = logs[max(0, start - window) : start]
        if len(past) < least:
            continue
        enough = (~np.isnan(past)).sum(axis=0) >= least
        rows = slice(start, start + block)
        # A slow rise is no spike: it lifts its own last records.
        middle = np.fmax(median(past[-window // 4 :], axis=0), median(past[-_BLOCK:], axis=0))
        level[rows] = np.where(enough, np.exp(middle), np.nan)
        jumps = median(np.abs(np.diff(past, axis=0)), axis=0)
        spread[rows] = np.where(enough, _GAUSS / np.sqrt(2) * jumps, np.nan)
    return Baseline(level, spread)


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
