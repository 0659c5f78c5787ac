"""What other packages print while they are imported or judge goes to standard error: on the other one stands the report."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO


class _Aside:
    """Standard output of the process, for as long as anybody wants it aside.

    `contextlib.redirect_stdout` puts back what it found, which with several threads may be another one's redirection: standard output would
    stay where it was sent.
    """

    def __init__(self) -> None:
        self._lock, self._count = threading.Lock(), 0
        self._own: TextIO = sys.stdout

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """Standard output is standard error meanwhile."""
        with self._lock:
            if self._count == 0:
                self._own, sys.stdout = sys.stdout, sys.stderr
            self._count += 1
        try:
            yield
        finally:
            with self._lock:
                self._count -= 1
                if self._count == 0:
                    sys.stdout = self._own


stdout_aside = _Aside()
