"""What a judgement of more than a second says on standard error while it works."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich import progress
from rich.console import Console

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
        console = Console(stderr=True)
        self._bar = progress.Progress(
            *_columns(),
            console=console,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._task = self._bar.add_task("judging", total=total)
        self._lock = threading.Lock()
        self._over = not console.is_terminal
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
        self._bar.advance(self._task)
        if not self._bar.console.is_terminal and time.monotonic() - self._said >= _EVERY:
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
        shown = self._bar.live.is_started
        if shown:
            self._bar.stop()
        return shown

    def _show(self) -> None:
        with self._lock:
            if not self._over:
                self._bar.start()


def _columns() -> tuple[progress.ProgressColumn, ...]:
    return (
        progress.SpinnerColumn(),
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TimeElapsedColumn(),
    )
