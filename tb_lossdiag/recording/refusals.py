"""A disk that takes nothing for a while: why, since when, what that cost, and when it is asked again."""

from __future__ import annotations

import time
from collections.abc import Callable

_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0
"""Seconds between two attempts, twice as long each time."""

Tell = Callable[[str, str], None]
"""Takes a fact, in whatever thread."""


class Refusals:
    """Tells when they begin and when they end.

    Args:
        tell: takes what becomes of the disk.

    Attributes:
        why: the newest error; None while the disk takes what comes.
        lost: items since it took something.
    """

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._since = self._pause = self._again_at = 0.0
        self.why: str | None = None
        self.lost = 0

    def pause(self) -> float:
        """Seconds until it is asked again."""
        return max(self._again_at - time.monotonic(), 0.0)

    def another(self, error: Exception) -> None:
        """It has refused."""
        text = f"{type(error).__name__}: {error}"
        now = time.monotonic()
        if self.why is None:
            self._since = now
            self._tell("failed writing", text)
        self.why = text
        self._pause = min(max(2 * self._pause, _FIRST_PAUSE), _LONGEST_PAUSE)
        self._again_at = now + self._pause

    def over(self) -> None:
        """It takes what comes."""
        if self.why is None:
            return
        lost = f"{self.lost} events were lost" if self.lost else "nothing was lost"
        self._tell("writing again", f"after {time.monotonic() - self._since:.0f} s; {lost}")
        self.why, self.lost, self._pause = None, 0, 0.0
