"""When the costlier things are looked at: often at first, then ever more seldom."""

from __future__ import annotations

from dataclasses import dataclass

_SHARE = 0.005
"""Part of the training's time that check-ups may take once the first few are done."""
_FIRST = 10
"""Check-ups that are done whatever they cost: the first steps say most."""


@dataclass
class Schedule:
    """Steps at which check-ups happen: 0, 1, 2, 4, 8 … `longest`, then every `longest` steps.

    They never take more than a small share of the time, apart from the first few.

    Attributes:
        longest: most steps between two.
    """

    longest: int = 512
    _next: int = 0
    _done: int = 0
    _allowed_at: float = 0.0

    def due(self, step: int, now: float) -> bool:
        """Whether the step that comes is one of them.

        Args:
            step: number of steps taken so far.
            now: seconds, on any clock that runs evenly.
        """
        return step >= self._next and (self._done < _FIRST or now >= self._allowed_at)

    def done(self, step: int, cost: float, now: float) -> None:
        """One was done at this step, and cost that many seconds."""
        self._done += 1
        self._next = step + max(1, min(step, self.longest))
        self._allowed_at = now + cost / _SHARE
