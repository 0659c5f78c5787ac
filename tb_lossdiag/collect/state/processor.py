"""How long this thread stood ready while others had the processor: on a busy machine that is no wait for data."""

from __future__ import annotations

from pathlib import Path

_PLACE = Path("/proc/thread-self/schedstat")
"""Linux: nanoseconds on a processor, nanoseconds in the queue for one, time slices."""


def queued() -> float:
    """Seconds since the thread's start; 0 where the system doesn't say."""
    try:
        return int(_PLACE.read_bytes().split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return 0.0
