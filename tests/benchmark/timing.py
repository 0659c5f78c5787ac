"""Times variants of a thing side by side: other jobs on the machine then disturb all of them alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping


def interleaved(
    variants: Mapping[str, Callable[[], object]],
    rounds: int,
    *,
    stretch: int = 1,
    clock: Callable[[], float] = time.process_time,
) -> dict[str, list[float]]:
    """Seconds of one call, `rounds` times for each variant.

    Args:
        variants: what to call, by name.
        rounds: how often each has its turn.
        stretch: calls in a row per turn.
        clock: processor time of all threads, or another one.
    """
    times: dict[str, list[float]] = {name: [] for name in variants}
    for _ in range(rounds):
        for name, call in variants.items():
            start = clock()
            for _ in range(stretch):
                call()
            times[name].append((clock() - start) / stretch)
    return times
