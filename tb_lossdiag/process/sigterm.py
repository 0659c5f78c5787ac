"""SIGTERM (a scheduler's last word before SIGKILL): open writers write what they have, then the signal goes where it would have gone.

The handler runs between any two lines of the main thread. In the middle of our own code, or of TensorBoard's, which holds locks, it
comes again a moment later. Whoever installs a handler of their own after ours decides what becomes of the process.
"""

from __future__ import annotations

import _thread
import contextlib
import os
import signal
import sys
import threading
import time
import weakref
from collections.abc import Callable
from types import FrameType
from typing import Any

_PATIENCE = 10.0
"""Seconds that our own code may take to come to an end, and the disk to take what it is given; schedulers wait for 30."""
_MOMENT = 0.02
_BUSY = ("tb_lossdiag.", "tensorboard.summary.writer", "torch.utils.tensorboard")
_NEVER_BUSY = ("tb_lossdiag.cli", "tb_lossdiag.testing")
_DOORS = ("tb_lossdiag.writer", "tb_lossdiag.file_writer", "tb_lossdiag.collect")
"""Through which other threads come in; threads of our own are always inside."""


LastWords = Callable[[Any, float], None]
"""Writes everything that a writer has; the disk may take so many seconds."""

_writers: weakref.WeakKeyDictionary[Any, LastWords] = weakref.WeakKeyDictionary()
_before: Any = None
"""The handler before ours, None where ours never was installed."""
_since: list[float] = []
"""When the signal that waits has come."""


def watch_over(writer: Any, last_words: LastWords) -> None:
    """From now on the writer has its last words. Only the main thread can see to that; elsewhere nothing happens."""
    global _before  # noqa: PLW0603  (there is one SIGTERM in a process)
    _writers[writer] = last_words
    if threading.current_thread() is not threading.main_thread():
        return
    now = signal.getsignal(signal.SIGTERM)
    if now is None or now in (
        signal.SIG_IGN,
        _handle,
    ):  # another language's, ignored on purpose, or ours
        return
    if (
        callable(now) and _before is not None and now != _before
    ):  # it came after ours, and may call it
        return
    with contextlib.suppress(ValueError):  # not the main interpreter
        signal.signal(signal.SIGTERM, _handle)
        _before = now


def let_go(writer: Any) -> None:
    """The writer is closed; with the last one our handler goes, unless somebody's stands above it."""
    _writers.pop(writer, None)
    if not _writers:
        _restore()


def _restore() -> None:
    global _before  # noqa: PLW0603
    main = threading.current_thread() is threading.main_thread()
    if main and _before is not None and signal.getsignal(signal.SIGTERM) is _handle:
        signal.signal(signal.SIGTERM, _before)
        _before = None


def _handle(number: int, frame: FrameType | None) -> None:
    if _writers and _busy(frame):
        _since.append(time.monotonic())
        if _since[-1] - _since[0] < _PATIENCE:
            _thread.start_new_thread(_again, (os.getpid(),))
            return
    else:
        for writer, last_words in list(_writers.items()):
            with contextlib.suppress(Exception):
                last_words(writer, _PATIENCE)
    _since.clear()
    _pass_on(number, frame)


def _pass_on(number: int, frame: FrameType | None) -> None:
    if callable(_before):
        _before(number, frame)
    elif signal.getsignal(signal.SIGTERM) is _handle:  # nobody else decides: die of it
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTERM)


def _again(process: int) -> None:
    time.sleep(_MOMENT)
    if os.getpid() == process:
        os.kill(process, signal.SIGTERM)


def _busy(frame: FrameType | None) -> bool:
    """Whether this thread, or another one that records, is where it must not be disturbed."""
    if _inside(frame, _BUSY):
        return True
    me = threading.get_ident()
    frames = sys._current_frames().items()  # noqa: SLF001  (the way that faulthandler has it)
    return any(thread != me and _inside(other, _DOORS) for thread, other in frames)


def _inside(frame: FrameType | None, modules: tuple[str, ...]) -> bool:
    while frame is not None:
        name = str(frame.f_globals.get("__name__", ""))
        if name.startswith(modules) and not name.startswith(_NEVER_BUSY) and name != __name__:
            return True
        frame = frame.f_back
    return False


def in_time(work: Callable[[], object], patience: float) -> None:
    """Do work that may never come back, for so many seconds."""

    def run() -> None:
        with contextlib.suppress(Exception):
            work()

    thread = threading.Thread(target=run, daemon=True, name="lossdiag-last-words")
    thread.start()
    thread.join(patience)


def _in_child() -> None:
    """A forked child has nothing to write: the signal goes where it would have gone."""
    _writers.clear()
    _since.clear()
    with contextlib.suppress(ValueError):
        _restore()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
