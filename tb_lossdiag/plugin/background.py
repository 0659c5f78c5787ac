"""Work that nobody waits for: threads that begin when something is wanted and end when nothing is left."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager

from tb_lossdiag.visible import visible

logger = logging.getLogger(__name__)

Job = Callable[[], None]
Key = tuple[Hashable, Hashable]
"""Group and name."""

_WORKERS = 4
"""The data server's answers take tens of milliseconds each, whoever asks: several runs are read while one is judged."""


class Background:
    """Does what is wanted. What was asked for last comes first; what is asked for again takes its old place's turn anew."""

    def __init__(self, workers: int = _WORKERS) -> None:
        """Nothing is wanted."""
        self._workers = workers
        self._wanted: dict[Key, Job] = {}
        self._running: set[Key] = set()
        self._soon: set[Key] = set()
        self._threads = 0
        self._changed = threading.Condition()

    def want(
        self, group: Hashable, jobs: Mapping[Hashable, Job], soon: Hashable | None = None
    ) -> None:
        """From now on these jobs of a group are wanted, in their order, and no others of it.

        Args:
            group: whose jobs they are.
            jobs: by name.
            soon: the one that somebody waits for. It has a thread of its own, so that what is being done already does not keep it waiting.
        """
        with self._changed:
            rest = {key: job for key, job in self._wanted.items() if key[0] != group}
            mine = {(group, name): job for name, job in jobs.items()}
            self._wanted = {k: j for k, j in mine.items() if k not in self._running} | rest
            if soon is not None and (job := self._wanted.pop((group, soon), None)) is not None:
                self._running.add((group, soon))
                self._soon.add((group, soon))
                _thread(self._do, (group, soon), job)
            for _ in range(min(len(self._wanted), self._workers) - self._threads):
                self._threads += 1
                _thread(self._work)

    def wait(self, group: Hashable, seconds: float, name: Hashable | None = None) -> None:
        """Until nothing of a group is left to do, or not that one job of it, or the time is over."""
        end = time.monotonic() + seconds
        with self._changed:
            while self._left(group, name) and (rest := end - time.monotonic()) > 0:
                self._changed.wait(rest)

    def _left(self, group: Hashable, name: Hashable | None) -> bool:
        keys = (*self._wanted, *self._running)
        return (group, name) in keys if name is not None else any(key[0] == group for key in keys)

    def _work(self) -> None:
        while (taken := self._next()) is not None:
            self._do(*taken)

    def _do(self, key: Key, job: Job) -> None:
        try:
            job()
        except Exception as error:  # noqa: BLE001  (one job must not end the others)
            logger.warning("Loss Doctor could not judge a run: %s", visible(str(error)))
        with self._changed:
            self._running.discard(key)
            self._soon.discard(key)
            self._changed.notify_all()

    def _next(self) -> tuple[Key, Job] | None:
        """The next job, once nobody waits for one: all work is for one processor, and would take its share."""
        with self._changed:
            self._changed.wait_for(lambda: not self._soon)
            if not self._wanted:
                self._threads -= 1
                return None
            key = next(iter(self._wanted))
            self._running.add(key)
            return key, self._wanted.pop(key)


class Turn:
    """One at a time works, since all work is for one processor; what somebody waits for is done beside it."""

    def __init__(self) -> None:
        """Nobody works."""
        self._working = 0
        self._hurried: Hashable = None
        self._changed = threading.Condition()

    def hurry(self, name: Hashable) -> None:
        """From now on this one, and no other, waits for nobody."""
        with self._changed:
            self._hurried = name
            self._changed.notify_all()

    @contextmanager
    def of(self, name: Hashable) -> Iterator[None]:
        """The turn of one, once it has come."""
        with self._changed:
            self._changed.wait_for(lambda: not self._working or name == self._hurried)
            self._working += 1
        try:
            yield
        finally:
            with self._changed:
                self._working -= 1
                self._changed.notify_all()


def _thread(do: Callable[..., None], *args: object) -> None:
    threading.Thread(target=do, args=args, name="lossdiag-judging", daemon=True).start()
