"""How many steps one record covers: one at first, more and more as a run grows."""

from __future__ import annotations

from dataclasses import dataclass, field

_SHARES = 16
"""Parts of the byte budget; each one used doubles the window, so the file grows with the logarithm of the run."""
_FREE = 512
"""Records written before their rate is looked at: the first steps say most."""
_LOOK = 64
"""Records over which the rate is taken, and that a window of another size gets at least."""
_SECONDS = 0.02
"""At most 50 records a second after that: more resolution than a screen shows, and writing stays far below a step's cost."""


@dataclass
class Cadence:
    """The window of the next record, in steps.

    Attributes:
        budget: bytes that a run's records may take.
        every: only every so many steps are looked at, and each of those is a record; 0: all are, and the window adapts.
        watched: steps are observed without being asked for one by one, so records must not come quicker than they are of use.
    """

    budget: int = 32 * 2**20
    every: int = 0
    watched: bool = False
    window: int = 1
    _spent: int = 0
    _records: int = 0
    _times: list[float] = field(default_factory=list)

    def watch(self, budget: int, every: int) -> None:
        """Steps are watched from now on; a window that has grown stays."""
        self.budget, self.every, self.watched = budget, every, True

    def wrote(self, size: int, walltime: float) -> None:
        """Take account of a record of `size` bytes whose last step was at `walltime`, in seconds."""
        self._spent += size
        self._records += 1
        self._times = [*self._times[1 - _LOOK :], walltime]
        if not self.every and (self._costly() or self._hasty()):
            self.window *= 2
            self._spent, self._records, self._times = 0, 0, []

    def _costly(self) -> bool:
        return self._spent >= self.budget // _SHARES

    def _hasty(self) -> bool:
        """Whether the records of this window, and the last 64, came faster than `_SECONDS` each."""
        times = self._times
        if not self.watched:
            return False
        free = _FREE if self.window == 1 else _LOOK
        return self._records >= free and times[-1] - times[0] < _SECONDS * (len(times) - 1)
