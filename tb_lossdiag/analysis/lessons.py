"""Whether leaps of a loss come from what is learned and not from the weights: at equal distances, to a level that is learned in turn."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tb_lossdiag.records import Doubles, Steps

_FEWEST = 3
"""Leaps; two have one distance, which equals itself."""
_EVEN = 0.03
"""Of the mean distance that each may be away from it: a leap shows a record or two late."""
_HELD = 16
"""Records after a leap whose level it has; what bad batches do is over by then."""
_RISEN, _LEARNED = 1.5, 0.7
"""Of the level before a leap that is held after it, at least; and of that, what the end of the lesson has at most."""


def lessons(steps: Steps, values: Doubles, leaps: Sequence[int]) -> bool:
    """Whether a loss leaps as that of a curriculum does.

    Args:
        steps: int64[T]. Lessons are counted in them: late records stand for several.
        values: float64[T].
        leaps: the records of all its leaps, in order.
    """
    if len(leaps) < _FEWEST:
        return False
    at = np.asarray(leaps)
    apart, late = np.diff(steps[at]), 2 * float((steps[at] - steps[at - 1]).max())
    if np.abs(apart - apart.mean()).max() > max(late, _EVEN * apart.mean()):
        return False
    last = int(np.searchsorted(steps, steps[leaps[-1]] + int(apart.mean())))
    ends = [*leaps[1:], last]
    return all(_lesson(values, begin, end) for begin, end in zip(leaps, ends, strict=True))


def _lesson(values: Doubles, begin: int, end: int) -> bool:
    if end - begin < 2 * _HELD:
        return False
    before, after, late = (
        float(np.median(part))
        for part in (
            values[max(begin - _HELD, 0) : begin],
            values[begin : begin + _HELD],
            values[end - _HELD : end],
        )
    )
    return after >= _RISEN * before and late <= _LEARNED * after
