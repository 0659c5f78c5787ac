"""What a judgement of more than a second says on standard error while it works."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console

if TYPE_CHECKING:
    from rich import progress

_PATIENCE = 1.0
"""Seconds of silence."""
_EVERY = 10.0
"""Seconds between two lines where standard error is no terminal."""


class Progress:
    """A bar on a terminal; elsewhere a line now and then.

    Args:
        total: parts.
    """

    def __init__(self, total: int) -> None:
        """Silent at first."""
        self._total, self._done = total, 0
        self._said = time.monotonic() + _PATIENCE - _EVERY
        self._console = Console(stderr=True)
        self._bar: progress.Progress | None = None
        self._lock = threading.Lock()
        self._over = not self._console.is_terminal
        self._timer = threading.Timer(_PATIENCE, self._show)
        self._timer.daemon = True

    def __enter__(self) -> Progress:  # noqa: PYI034  (Python 3.10 has no Self)
        """Begin to wait."""
        if not self._over:
            self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Leave nothing on the terminal."""
        with self._lock:
            self._over = True
        self._timer.cancel()
        self._hide()

    def advance(self) -> None:
        """A part is done."""
        self._done += 1
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=self._done)
        if not self._console.is_terminal and time.monotonic() - self._said >= _EVERY:
            self._said = time.monotonic()
            print(f"tb-lossdiag: {self._done} of {self._total} judged", file=sys.stderr)  # noqa: T201

    @contextmanager
    def hidden(self) -> Iterator[None]:
        """Away from the terminal while something is printed there."""
        shown = self._hide()
        yield
        if shown:
            self._show()

    def _hide(self) -> bool:
        """Whether it was there; one that was not would leave an empty line."""
        if self._bar is None or not self._bar.live.is_started:
            return False
        self._bar.stop()
        return True

    def _show(self) -> None:
        with self._lock:
            if not self._over:
                self._bar = self._bar or _bar(self._console, self._total, self._done)
                self._bar.start()


def _bar(console: Console, total: int, done: int) -> progress.Progress:
    from rich import progress  # noqa: PLC0415  (what takes less than a second needs none)

    columns = (
        progress.SpinnerColumn(),
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TimeElapsedColumn(),
    )
    made = progress.Progress(
        *columns, console=console, transient=True, redirect_stdout=False, redirect_stderr=False
    )
    made.add_task("judging", total=total, completed=done)
    return made
