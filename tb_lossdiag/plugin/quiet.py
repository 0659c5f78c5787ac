"""When a listing still holds: asking TensorBoard what it has costs tens of milliseconds with hundreds of runs, every five seconds."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from tb_lossdiag.reader.logs.names import may_be_usual
from tb_lossdiag.wire.leftover import is_tail

T = TypeVar("T")
Stamp = int | None

_SHARE = 4
"""A listing holds for one part in so many of the time for which nothing has changed: TensorBoard reads behind the files."""
_LONGEST = 120.0
"""Seconds that it holds at most."""
_PAUSE = 0.5
"""Seconds between two looks at the files: a view asks for several tables at once."""


class Folder:
    """What changes when something is written in a folder, at a few microseconds a file.

    Args:
        logdir: a local folder; "" or a remote one is never known to be as it was.
    """

    def __init__(self, logdir: str) -> None:
        local = bool(logdir) and "://" not in logdir
        self._top = os.path.expanduser(logdir) if local else ""  # noqa: PTH111
        self._folders: dict[str, int] = {}
        self._files: list[str] = []

    def stamp(self) -> Stamp:
        """A number that differs when a file was written, made or removed; None if that cannot be told."""
        if not self._top:
            return None
        try:
            if not self._folders or self._folders != {p: _changed(p) for p in self._folders}:
                self._walk()
            return hash(tuple(_written(path) for path in self._files))
        except OSError:  # something was removed just now
            self._folders = {}
            return None

    def _walk(self) -> None:
        self._folders, self._files = {}, []
        for place, _, names in os.walk(self._top, followlinks=True):
            self._folders[place] = _changed(place)
            wanted = (n for n in names if "tfevents" in n or is_tail(n) or may_be_usual(n))
            self._files += (os.path.join(place, name) for name in wanted)  # noqa: PTH118


def _changed(folder: str) -> int:
    return os.stat(folder).st_mtime_ns  # noqa: PTH116


def _written(file: str) -> tuple[str, int, int]:
    stat = os.stat(file)  # noqa: PTH116
    return file, stat.st_size, stat.st_mtime_ns


@dataclass
class _Kept(Generic[T]):
    about: object
    stamp: Stamp
    at: float
    value: T


class Quiet(Generic[T]):
    """The last listing, for as long as it holds. Thread-safe; who comes while another lists makes one of their own.

    Args:
        folder: tells whether something was written.
        clock: seconds.
    """

    def __init__(self, folder: Folder, clock: Callable[[], float] = time.monotonic) -> None:
        self._folder, self._clock = folder, clock
        self._lock = threading.Lock()
        self._kept: _Kept[T] | None = None
        self._changed = clock()
        self._stamp: tuple[float, Stamp] = float("-inf"), None

    def get(self, about: object, make: Callable[[], T]) -> T:
        """The kept listing, or a new one.

        Args:
            about: what it is of; another object asks anew.
            make: makes one.
        """
        with self._lock:
            now = self._clock()
            stamp, kept = self._looked(now), self._kept
            if kept is not None and _same(kept, about, stamp) and self._holds(kept, now):
                return kept.value
        made = make()
        with self._lock:
            if kept is None or not _same(kept, about, stamp) or kept.value != made:
                self._changed = now
            self._kept = _Kept(about, stamp, now, made)
        return made

    def _looked(self, now: float) -> Stamp:
        if now - self._stamp[0] >= _PAUSE:
            self._stamp = now, self._folder.stamp()
        return self._stamp[1]

    def _holds(self, kept: _Kept[T], now: float) -> bool:
        return now - kept.at < min(_LONGEST, (kept.at - self._changed) / _SHARE)


def _same(kept: _Kept[Any], about: object, stamp: Stamp) -> bool:
    return stamp is not None and stamp == kept.stamp and about == kept.about
