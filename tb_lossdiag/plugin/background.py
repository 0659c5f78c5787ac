"""Work that nobody waits for: threads that begin when something is wanted and end when nothing is left."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Hashable, Mapping

from tb_lossdiag.visible import visible

logger = logging.getLogger(__name__)

Job = Callable[[], None]

_WORKERS = 4
"""The data server's answers take tens of milliseconds each, whoever asks: several runs are read while one is judged."""


class Background:
    """Does what is wanted. What was asked for last comes first; what is asked for again takes its old place's turn anew."""

    def __init__(self, workers: int = _WORKERS) -> None:
        """Nothing is wanted."""
        self._workers = workers
        self._wanted: dict[tuple[Hashable, Hashable], Job] = {}
        self._running: set[tuple[Hashable, Hashable]] = set()
        self._threads = 0
        self._changed = threading.Condition()

    def want(self, group: Hashable, jobs: Mapping[Hashable, Job]) -> None:
        """From now on these jobs of a group are wanted, in their order, and no others of it."""
        with self._changed:
            rest = {key: job for key, job in self._wanted.items() if key[0] != group}
            mine = {(group, name): job for name, job in jobs.items()}
            self._wanted = {k: j for k, j in mine.items() if k not in self._running} | rest
            for _ in range(min(len(self._wanted), self._workers) - self._threads):
                self._threads += 1
                threading.Thread(target=self._work, name="lossdiag-judging", daemon=True).start()

    def wait(self, group: Hashable, seconds: float) -> None:
        """Until nothing of a group is left to do, or the time is over."""
        end = time.monotonic() + seconds
        with self._changed:
            while self._left(group) and (rest := end - time.monotonic()) > 0:
                self._changed.wait(rest)

    def _left(self, group: Hashable) -> bool:
        return any(key[0] == group for key in (*self._wanted, *self._running))

    def _work(self) -> None:
        while (taken := self._next()) is not None:
            key, job = taken
            try:
                job()
            except Exception as error:  # noqa: BLE001  (one job must not end the others)
                logger.warning("Loss Doctor could not judge a run: %s", visible(str(error)))
            with self._changed:
                self._running.discard(key)
                self._changed.notify_all()

    def _next(self) -> tuple[tuple[Hashable, Hashable], Job] | None:
        with self._changed:
            if not self._wanted:
                self._threads -= 1
                return None
            key = next(iter(self._wanted))
            self._running.add(key)
            return key, self._wanted.pop(key)
