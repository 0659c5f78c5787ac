"""Whether a loss ended below where it began, as far as its noise lets one say."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from tb_lossdiag.analysis.curve import Curve

_MEDIAN = 1.25
"""Standard error of a median over that of a mean, for a normal distribution."""
_FIRST = 3


class Level(NamedTuple):
    """A median and its standard error."""

    value: float
    error: float


def level_of(loss: Curve, first: int, last: int) -> Level:
    """Level of the records from `first` up to, not including, `last`."""
    part = loss.values[first:last]
    return Level(float(np.median(part)), _MEDIAN * loss.noise / math.sqrt(max(len(part), 1)))


def surely_not_below(loss: Curve, end: Level, share: float) -> bool:
    """Whether the loss has lost less than this share of its start, beyond two standard errors that are less than that themselves."""
    return all(
        max(fall, 0.0) + 2 * error <= share * start for start, fall, error in _falls(loss, end)
    )


def fell(loss: Curve, end: Level, share: float, widest: float) -> bool:
    """Whether the end lies below the start, or below what came right after it, by more than noise explains.

    The first three records alone are of little weight in a noisy loss, so the first tenth and the first quarter are asked as well,
    unless they lie higher: a leap that came back has won nothing.

    Args:
        loss: the curve.
        end: its last level.
        share: of the start; a smaller fall is none.
        widest: share of the start that noise may excuse.
    """
    return any(
        fall > max(share * start, 2 * end.error, min(2 * error, widest * start))
        for start, fall, error in _falls(loss, end)
    )


def _falls(loss: Curve, end: Level) -> Iterator[tuple[float, float, float]]:
    """Early levels with the fall since then and its standard error."""
    first = level_of(loss, 0, _FIRST)
    for size in dict.fromkeys((_FIRST, loss.row(0.1), loss.row(0.25))):
        early = level_of(loss, 0, size)
        if size == _FIRST or (size > _FIRST and early.value <= first.value + 2 * first.error):
            yield early.value, early.value - end.value, math.hypot(early.error, end.error)
