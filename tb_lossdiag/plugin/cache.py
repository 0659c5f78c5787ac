"""Runs, diagnoses and answers, kept until something new was recorded, and no more bytes of them than was allowed."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Hashable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, TypeVar

from tb_lossdiag.diagnosis.engine import Diagnosis
from tb_lossdiag.records import Table
from tb_lossdiag.run import Run

T = TypeVar("T")
Key = tuple[str, str]
"""Experiment and run."""

_LIGHT = 16 * 2**10
"""Bytes of a cached run without its records: rows, names, the lock."""
_OBJECT = 128
"""Bytes of an object of numpy, or of a name with its place in a dictionary."""


class ReadRun:
    """A run as it was read, and its diagnosis, which is made when somebody asks for it: who wants a table waits for no rule."""

    def __init__(self, run: Run) -> None:
        """Nothing was said of it yet."""
        self.run = run
        self._diagnosis: Diagnosis | None = None
        self._lock = threading.Lock()

    @property
    def busy(self) -> bool:
        """Whether somebody judges it now."""
        return self._lock.locked()

    def diagnosis(self, judge: Callable[[Run], Diagnosis]) -> Diagnosis:
        """What is said of it; one at a time judges."""
        with self._lock:
            if self._diagnosis is None:
                self._diagnosis = judge(self.run)
            return self._diagnosis


@dataclass
class CachedRun:
    """A run as it was last read. One at a time reads it; other runs are not kept waiting.

    Attributes:
        version: of the listing it was last read from, or is being read from; "" for never.
        read: its records; None also for one that had to make room.
        rows: its row of the overview by language, each with its version.
        lock: held while reading.
    """

    version: str = ""
    read: ReadRun | None = None
    rows: dict[str, tuple[str, Any]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def busy(self) -> bool:
        """Whether somebody reads or judges it now."""
        read = self.read
        return self.lock.locked() or (read is not None and read.busy)

    def row(self, version: str, language: str) -> Any | None:
        """The row of a version, if it is known."""
        of, row = self.rows.get(language, ("", None))
        return row if of == version else None

    def newest_row(self) -> Any | None:
        """A row of the version before, until there is one of the new one."""
        return next((row for _, row in self.rows.values()), None)

    def put(self, version: str, language: str, row: Any, *, lasts: bool = True) -> None:
        """Keep a row, unless the run was read anew meanwhile; one that does not last is shown until there is another."""
        with self.lock:
            if self.version == version:
                self.rows = {name: kept for name, kept in self.rows.items() if kept[0] == version}
                self.rows[language] = version if lasts else "", row


class CachedRuns:
    """Runs by experiment and run. What makes room are the records of the run nobody has asked for the longest; its rows stay.

    Args:
        limit: bytes.
        forget: told which runs made room, so that their reader lets go of them too.
    """

    def __init__(self, limit: int, forget: Callable[[Key], None]) -> None:
        self._limit = limit
        self._forget = forget
        self._runs: dict[Key, CachedRun] = {}
        self._sizes: OrderedDict[Key, int] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def size(self) -> int:
        """Bytes of all, as they are estimated."""
        with self._lock:
            return self._size()

    def of(self, key: Key) -> CachedRun:
        """What is kept of a run, nothing at first."""
        with self._lock:
            if key in self._sizes:
                self._sizes.move_to_end(key)
            return self._runs.setdefault(key, CachedRun())

    def hold(self, key: Key, run: Run) -> None:
        """Count the records of a run that was read, and make room for them."""
        with self._lock:
            self._sizes[key] = weight(run)
            self._sizes.move_to_end(key)
            gone = list(self._make_room(key))
        for other in gone:
            self._forget(other)

    def only(self, experiment: str, runs: Collection[str]) -> None:
        """Let go of the runs of an experiment that are not listed any more."""
        with self._lock:
            known = self._runs.keys() | self._sizes.keys()
            gone = [key for key in known if key[0] == experiment and key[1] not in runs]
            for key in gone:
                self._runs.pop(key, None)
                self._sizes.pop(key, None)
        for key in gone:
            self._forget(key)

    def _make_room(self, newest: Key) -> Any:
        while self._size() > self._limit and (oldest := next(iter(self._sizes))) != newest:
            del self._sizes[oldest]
            if oldest in self._runs:
                self._runs[oldest].read = None
            yield oldest
        while self._size() > self._limit and (first := next(iter(self._runs))) != newest:
            del self._runs[first]

    def _size(self) -> int:
        return sum(self._sizes.values()) + _LIGHT * len(self._runs)


def weight(run: Run) -> int:
    """Bytes that a run takes with what its reader keeps to read only what is new: every record a second time."""
    return sum(_weight(table) for table in run.tables.values())


def _weight(table: Table) -> int:
    arrays = 2 * table.values.nbytes + table.steps.nbytes + table.walltimes.nbytes
    return arrays + _OBJECT * (len(table) + len(table.columns))


class ByteCache:
    """The newest answers by question, up to a number of bytes; the oldest go first."""

    def __init__(self, limit: int) -> None:
        """Keep at most `limit` bytes."""
        self._limit = limit
        self._size = 0
        self._kept: OrderedDict[Hashable, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, question: Hashable, make: Callable[[], bytes]) -> bytes:
        """The kept answer, or a new one. Two that ask at once may both make it."""
        with self._lock:
            if question in self._kept:
                self._kept.move_to_end(question)
                return self._kept[question]
        answer = make()
        with self._lock:
            self._put(question, answer)
        return answer

    def _put(self, question: Hashable, answer: bytes) -> None:
        self._size += len(answer) - len(self._kept.pop(question, b""))
        self._kept[question] = answer
        while self._size > self._limit and len(self._kept) > 1:
            self._size -= len(self._kept.popitem(last=False)[1])


class Together:
    """Who asks what is just being worked out for somebody else waits for that answer instead of working beside it."""

    def __init__(self) -> None:
        """Nothing is being worked out."""
        self._working: dict[Hashable, Future[Any]] = {}
        self._lock = threading.Lock()

    def get(self, question: Hashable, make: Callable[[], T]) -> T:
        """The answer.

        Raises:
            BaseException: what making it raised, for all who waited.
        """
        mine: Future[T] = Future()
        with self._lock:
            other = self._working.setdefault(question, mine)
        if other is not mine:
            shared: T = other.result()
            return shared
        try:
            mine.set_result(make())
        except BaseException as error:  # noqa: BLE001  (raised by `result`, here and for all who wait)
            mine.set_exception(error)
        finally:
            with self._lock:
                del self._working[question]
        return mine.result()
