"""How long a watched step takes, and which part of it recording takes."""

from __future__ import annotations

import math
import time


class StepTimes:
    """Adds up what recording takes between two rows, which may be several steps apart.

    Attributes:
        own: seconds that recording has taken since the last row.
        ended: when the step of that row ended (of `time.perf_counter`), NaN before the first.
        row: so many steps were taken then.
    """

    def __init__(self) -> None:
        """No step yet."""
        self.own, self.ended, self.row = 0.0, math.nan, 0

    def spent(self, start: float) -> None:
        """Recording took the time since then (of `time.perf_counter`); the step's record says so."""
        self.own += time.perf_counter() - start

    def take(self, now: float, taken: int) -> tuple[float, float, int]:
        """A row is put at the end of the step after so many.

        Returns:
            Seconds of a step since the row before (NaN for the first), seconds of it that recording took, and how many steps that were.
        """
        count = taken + 1 - self.row
        found = (now - self.ended) / count, self.own / count, count
        self.own, self.ended, self.row = 0.0, now, taken + 1
        return found
