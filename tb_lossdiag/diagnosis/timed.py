"""Work of other packages that gets some seconds and no more."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_TRIES, _PAUSE = 20, 0.05
"""How often a thread is asked to end, and the seconds that each asking waits."""


class TooLong(Exception):  # noqa: N818  (what happened)
    """The work took longer than it was given.

    Attributes:
        ended: whether it could be ended; else it goes on in its thread, which no one can stop from outside.
    """

    def __init__(self, ended: bool) -> None:
        """Keep whether it ended."""
        super().__init__("took too long")
        self.ended = ended


class _TimeIsUp(BaseException):
    """Raised inside the work: no `except Exception` of a rule may keep it."""


def within(seconds: float, work: Callable[[], T]) -> T:
    """The result of the work, done in a thread of its own.

    A loop in Python is ended. C code that does not return is left behind in its thread; while it holds Python's lock (a regular
    expression that backtracks without end), nothing in the process can do anything about it.

    Raises:
        TooLong: it took longer.
        BaseException: what the work raised.
    """
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:  # noqa: BLE001  (raised again by who waits)
            errors.append(error)

    thread = threading.Thread(target=run, name="tb-lossdiag: foreign rule", daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        raise TooLong(_ended(thread))
    if errors:
        raise errors[0]
    return results[0]


def _ended(thread: threading.Thread) -> bool:
    """Make the thread raise until it ends; whether it did."""
    for _ in range(_TRIES):
        ident = ctypes.c_ulong(thread.ident or 0)
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ident, ctypes.py_object(_TimeIsUp))
        thread.join(_PAUSE)
        if not thread.is_alive():
            return True
    return False
