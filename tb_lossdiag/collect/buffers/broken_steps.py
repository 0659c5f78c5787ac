"""At which steps something broke, as far as it shows before anything is judged: no number any more, or a loss far above its level."""

from __future__ import annotations

from collections import deque

import numpy as np
import numpy.typing as npt

from tb_lossdiag.quantities import LOSS, QUANTITIES
from tb_lossdiag.records import Doubles, Floats, FrameBlock

Bools = npt.NDArray[np.bool_]

_COUNTS = frozenset(quantity.nonfinite for quantity in QUANTITIES)
_BEFORE, _LEVEL, _FEWEST = 64, 32, 16
"""Losses that tell the noise, the newest of them that make a level, and as many as it takes."""
_FACTOR, _RISE = 1.75, 0.1
"""Times the level, and share of the loss at the start. LD103 asks for twice its level: what it names must have been kept."""
_DEVIATIONS = 4.0
"""Standard deviations of the logarithm above the level; LD103 asks for 6."""
_NORMAL = 1.4826 / 2**0.5
"""Standard deviations of a normal distribution in a median of absolute differences of two: so a trend is no noise, as in LD103."""
_PART = 16
"""Losses that are held against one level."""
_IN_A_ROW = 8
"""Steps of one break: what stays broken is no news."""


class BrokenSteps:
    """Follows the loss."""

    def __init__(self) -> None:
        """None was given."""
        self._losses: deque[float] = deque(maxlen=_BEFORE)
        self._start: float | None = None
        self._last, self._row = -2, 0

    def among(self, block: FrameBlock) -> list[int]:
        """Those of a block at which something broke, no more than a few of each break."""
        bad = np.zeros(len(block.steps), bool)
        for quantity, values in block.values.items():
            if quantity.name in _COUNTS:
                bad |= (values > 0).any(axis=1)
        if LOSS in block.values:
            bad |= self._risen(block.values[LOSS][:, 0])
        return [step for step in block.steps[bad].tolist() if self._is_news(step)]

    def _is_news(self, step: int) -> bool:
        self._row = self._row + 1 if step == self._last + 1 else 1
        self._last = step
        return self._row <= _IN_A_ROW

    def _risen(self, values: Floats) -> Bools:
        """bool[n]: losses that are far above those before them."""
        parts = [self._part(values[i : i + _PART]) for i in range(0, len(values), _PART)]
        return np.concatenate(parts)

    def _part(self, values: Floats) -> Bools:
        risen = values >= self._bound()
        self._losses.extend(values[np.isfinite(values)].tolist())
        return risen

    def _bound(self) -> float:
        """What a loss must reach to be one; infinity where nothing can be said."""
        before = np.array(self._losses)
        level = _median(before[-_LEVEL:]) if len(before) >= _FEWEST else 0.0
        if level <= 0:
            return np.inf
        self._start = self._start or level
        steps = np.abs(np.diff(np.log(before[before > 0])))
        spread = np.exp(_DEVIATIONS * _NORMAL * _median(steps))
        return max(level * max(_FACTOR, float(spread)), level + _RISE * self._start)


def _median(values: Doubles) -> float:
    """`np.median` of a few numbers, at a tenth of its cost."""
    ordered = np.sort(values)
    half = len(ordered) // 2
    return float(ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2)
