"""Who judges: this process, several where there is enough to do for longer than they take to start, or an executor's."""

from __future__ import annotations

import multiprocessing
import os
import time
from concurrent.futures import Executor, Future, ProcessPoolExecutor

from tb_lossdiag.checking.parts import Judged, Part, judge
from tb_lossdiag.config import Settings

_ALONE = 1.0
"""Seconds for which this process judges before it asks for help: the first verdicts are there while others would still import."""
_WORTH = 3.0
"""Seconds that the rest must be expected to take for that."""


class Workers:
    """Judges parts, in the order in which they are given.

    Args:
        jobs: processes, None for as many as are worth it.
        parts: how many there are.
        executor: who judges instead; it is left as it is.
    """

    def __init__(self, jobs: int | None, parts: int, executor: Executor | None = None) -> None:
        self._parts, self._executor = parts, executor
        self._most = min(jobs or _cores(), parts)
        self._waits = jobs is None
        self._left, self._done, self._took = parts, 0, 0.0
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Workers:  # noqa: PYI034  (Python 3.10 has no Self)
        """Nobody is started yet."""
        return self

    def __exit__(self, *_: object) -> None:
        """End them; what was not begun is not done any more."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    @property
    def ahead(self) -> int:
        """How many parts to give before the first one's verdict is asked for."""
        if self._executor is not None:
            return self._parts
        return 0 if self._pool is None else 3 * self._most

    def spared(self) -> None:
        """A part needs no judging."""
        self._left -= 1

    def judge(self, part: Part, settings: Settings) -> Future[Judged]:
        """The verdict on a part, once it is there; at once if this process judges."""
        if self._executor is not None:
            return self._executor.submit(judge, part, settings)
        if self._pool is None and self._most > 1 and self._worth_it():
            self._start()
        self._left -= 1
        if self._pool is not None:
            return self._pool.submit(judge, part, settings)
        return self._here(part, settings)

    def _here(self, part: Part, settings: Settings) -> Future[Judged]:
        made: Future[Judged] = Future()
        began = time.monotonic()
        made.set_result(judge(part, settings))
        self._took += time.monotonic() - began
        self._done += 1
        return made

    def _worth_it(self) -> bool:
        if not self._waits:
            return True
        if not (self._took > _ALONE and self._took / self._done * self._left > _WORTH):
            return False
        free = idle_cores()
        if free > 1:
            self._most = min(self._most, free)
        return free > 1

    def _start(self) -> None:
        """Not forked: TensorBoard and numpy have threads. Where the system lets no processes be, this one judges."""
        try:
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(self._most, context)
        except (OSError, ImportError, NotImplementedError):
            self._most = 1


def idle_cores() -> int:
    """Those that nobody has used in the last minute, about: where all are taken, helpers would take turns with this process, and import first."""
    cores = _cores()
    try:
        load = os.getloadavg()[0]
    except (AttributeError, OSError):  # Windows, or nobody knows
        return cores
    return round(cores - load * cores / (os.cpu_count() or cores))  # this process's share of them


def _cores() -> int:
    """Those that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
