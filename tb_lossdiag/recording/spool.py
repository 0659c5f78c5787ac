"""Items on their way to a file, in a thread of their own: a disk that takes none for a while is asked again, and the loop goes on.

Nothing here raises after the constructor. While the disk refuses, what comes waits in memory; what has no room is lost, and said.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable, Sequence
from itertools import takewhile

from tb_lossdiag.process.forks import Origin
from tb_lossdiag.recording.backlog import Backlog
from tb_lossdiag.recording.growing_file import Growing
from tb_lossdiag.recording.refusals import Refusals, Tell

STUCK = 30.0
"""Seconds after which a disk that neither takes nor refuses counts as one that refuses."""
_LOOK = 1.0
"""Seconds between two looks at whether the thread still lives."""

_SPOOLS: weakref.WeakSet[Spool] = weakref.WeakSet()


class Spool:
    """What waits for a file.

    Args:
        make: names the next file: the first, and another one where a file can grow no further.
        first: every file's first item.
        tell: takes what becomes of the disk.
        strict: write the first item at once, and raise if that fails.

    Attributes:
        gap: something was lost since this was last set to False.

    Raises:
        OSError: the first item cannot be written, and `strict`.
    """

    def __init__(
        self, make: Callable[[], Growing], first: bytes, tell: Tell, *, strict: bool
    ) -> None:
        self._make = make
        self._origin = Origin()
        self._file = make()
        self._change = threading.Condition()
        self._items, self._moves = Backlog(first), 0
        self._refusals = Refusals(tell)
        self._asked = self._closed = self._ended = self._dirty = self.gap = False
        self._sync_at = 0.0
        self._thread: threading.Thread | None = None
        if strict:
            try:
                self._took(self._file.write([first]))
                self._file.flush()
            except Exception:
                self._file.discard()
                raise
        _SPOOLS.add(self)

    @property
    def name(self) -> str:
        """The present file's."""
        return self._file.name

    @property
    def failing(self) -> str | None:
        """Why the disk takes nothing at present; None while it does."""
        return self._refusals.why

    @property
    def open(self) -> bool:
        """Whether this process may still write."""
        return not self._closed and not self._origin.left()

    def put(self, items: Sequence[bytes]) -> int:
        """Take items, in this order, as far as there is room; how many."""
        if not self.open:
            return 0
        with self._change:
            taken = sum(1 for _ in takewhile(self._append, items))
            self._lose(len(items) - taken)
            self._start()
            self._wake()
        return taken

    def place(self) -> tuple[str, int, int]:
        """The present file, a number of bytes that are whole in it, and how many bytes of `Ours` are not among them."""
        with self._change:
            return self.name, self._items.position, self._items.ours

    def flush(self) -> bool:
        """Wait until everything is in the file or the disk has refused it; whether it is."""
        if not self.open:
            return True
        with self._change:
            self._asked = True
            self._wake()
            self._await(lambda: not self._asked)
            return self.failing is None

    def close(self) -> bool:
        """The same for the last time, and bring it to the disk itself; what was not taken by then is lost."""
        if not self.open:
            return True
        with self._change:
            self._closed = True
            self._wake()
            self._await(lambda: self._ended)
            self._lose(len(self._items))
            return self.failing is None

    # --- with the lock -----------------------------------------------------------------------------------------------

    def _has_room(self, size: int) -> bool:
        """Whether so many bytes more may wait; waits itself for a slow disk, not for one that refuses."""
        fits = self._items.fits
        if not fits(size) and self.failing is None:
            self._wake()
            self._await(lambda: fits(size) or self.failing is not None)
        return fits(size)

    def _append(self, item: bytes) -> bool:
        """Let an item wait if there is room."""
        if not self._has_room(len(item)):
            return False
        self._items.append(item)
        return True

    def _lose(self, count: int) -> None:
        self._refusals.lost += count
        self.gap = self.gap or count > 0

    def _alive(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def _start(self) -> None:
        """See to it that there is a thread, if there can be one: the interpreter may be ending."""
        if not self._alive():
            self._thread = threading.Thread(target=self._run, name="tb_lossdiag", daemon=True)
            try:
                self._thread.start()
            except RuntimeError:
                self._thread = None

    def _wake(self) -> None:
        """Let the thread work; where there is none, or this is it (a forgotten writer may end there), work here."""
        if not self._alive() or self._thread is threading.current_thread():
            while not self._ended and self._due() == 0.0:
                self._move()
        self._change.notify_all()

    def _await(self, done: Callable[[], bool]) -> None:
        """Wait as long as something moves."""

        def over() -> bool:
            return done() or not self._alive()

        moves, until = self._moves, time.monotonic() + STUCK
        while not self._change.wait_for(over, _LOOK) and time.monotonic() < until:
            if moves != self._moves:
                moves, until = self._moves, time.monotonic() + STUCK
        if not over():
            self._refused(TimeoutError(f"no answer for {STUCK:.0f} s"))

    def _due(self) -> float | None:
        """Seconds until there is work, None without any."""
        if self._asked or self._closed:
            return 0.0
        if self.failing is not None:
            return self._refusals.pause()
        if self._items:
            return 0.0
        return max(self._sync_at - time.monotonic(), 0.0) if self._dirty else None

    def _took(self, count: int) -> None:
        """The file holds so many items more."""
        self._items.took(count)
        if count and not self._dirty:
            self._dirty, self._sync_at = True, time.monotonic() + self._file.pause
        self._refusals.over()

    def _refused(self, error: Exception) -> None:
        self._refusals.another(error)
        self._asked = False

    # --- in the thread -----------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            self._work()
        except Exception as error:  # noqa: BLE001  (a mistake of ours; the next call begins a new thread)
            with self._change:
                self._thread = None
                self._change.notify_all()
                self._refused(error)

    def _work(self) -> None:
        while not self._ended:
            with self._change:
                while (pause := self._due()) is None or pause > 0:
                    self._change.wait(pause)
            self._move()

    def _move(self) -> None:
        """One write, or what follows the last one."""
        with self._change:
            items, asked, last = self._items.next(), self._asked, self._closed
        error: Exception | None = None
        count = 0
        try:
            if items:
                count = self._file.write(items)
            else:
                self._rest(asked, last)
        except Exception as raised:  # noqa: BLE001  (other file systems raise errors of their own)
            error = raised
        with self._change:
            self._moves += 1
            if error is None:
                self._took(count)
                self._asked = self._asked and not (asked and not self._items)
            elif not items or not self._another(error):
                self._refused(error)
            self._ended = last and (not items or self.failing is not None)
            self._change.notify_all()

    def _rest(self, asked: bool, last: bool) -> None:
        """Everything is written: show it to who asked, and sync it from time to time."""
        if asked:
            self._file.flush()
        if self._dirty and (last or time.monotonic() >= self._sync_at):
            self._file.sync()
            self._dirty = False

    def _another(self, error: Exception) -> bool:
        """Go on in another file if this one takes no more."""
        if not self._file.ended_by(error):
            return False
        self.gap = self.gap or isinstance(error, FileNotFoundError)
        self._file = self._make()
        self._items.begin_file()
        return True


def open_files() -> list[str]:
    """The files that writers of this process have open."""
    return [spool.name for spool in list(_SPOOLS) if spool.open]
