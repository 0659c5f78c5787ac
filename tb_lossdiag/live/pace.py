"""When to judge: after enough records, and never so often that it costs more than a small share of the time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

_RECORDS = 20
"""Records between two judgements, at least."""
_SHARE = 0.01
"""Part of the time that judging may take."""
_HURRY = 0.05
"""The same for what may be broken."""


class Pace:
    """Counts records and the time that judging takes.

    Args:
        clock: seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        """Nothing judged yet."""
        self._clock = clock
        self._records = 0
        self._next = self._hurry = -float("inf")

    def recorded(self) -> None:
        """A record has come."""
        self._records += 1

    @property
    def waiting(self) -> bool:
        """Whether a record has come since the last whole judgement."""
        return self._records > 0

    @property
    def due(self) -> bool:
        """Whether it is time for all rules."""
        return self._records >= _RECORDS and self._clock() >= self._next

    @property
    def may_hurry(self) -> bool:
        """Whether there is time for the few rules that cannot wait."""
        return self._clock() >= self._hurry

    @contextmanager
    def judging(self, *, whole: bool) -> Iterator[None]:
        """Time a judgement; the next one waits in proportion."""
        start = self._clock()
        yield
        end = self._clock()
        if whole:
            self._records = 0
            self._next = end + (end - start) / _SHARE
        else:
            self._hurry = end + (end - start) / _HURRY
