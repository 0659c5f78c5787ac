"""What a thread did with its time: it ran, it stood ready while others had the processor, or it waited for something."""

from __future__ import annotations

import time
from pathlib import Path
from typing import NamedTuple

_PLACE = Path("/proc/thread-self/schedstat")
"""Linux: nanoseconds on a processor, nanoseconds in the queue for one, time slices."""


class Moment(NamedTuple):
    """Where a thread stands; all in seconds.

    Attributes:
        clock: of the wall.
        queued: that it stood ready so far and others had the processor; 0 where the system doesn't say.
        worked: that it ran so far.
    """

    clock: float
    queued: float
    worked: float

    def since(self, earlier: Moment) -> float:
        """Seconds of the wall since then, less those that other threads had the processor."""
        return max(self.clock - earlier.clock - (self.queued - earlier.queued), 0.0)

    def idle_since(self, earlier: Moment) -> float:
        """Of them, those in which it did not run either: it waited for something."""
        return max(self.since(earlier) - (self.worked - earlier.worked), 0.0)


def now() -> Moment:
    """Of the thread that asks."""
    return Moment(time.perf_counter(), _queued(), time.thread_time())


def _queued() -> float:
    try:
        return int(_PLACE.read_bytes().split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return 0.0
