"""Where reports go: the terminal or a file."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.segment import Segment, Segments

from tb_lossdiag.checking.aside import stdout_aside
from tb_lossdiag.checking.wishes import naming
from tb_lossdiag.config.extensions import failures
from tb_lossdiag.visible import flat

_FILE_WIDTH = 120


@contextmanager
def console(path: str | None) -> Iterator[Console]:
    """A console that writes to the terminal, or without colours to a file.

    Raises:
        OSError: the file cannot be written.
    """
    if path is None:
        yield Console(highlight=False)
        return
    with naming("--output", path):
        opened = Path(path).open("w", encoding="utf-8", newline="\n")  # noqa: SIM115  (closed below)
    with opened as file:
        yield Console(file=file, highlight=False, width=_FILE_WIDTH, no_color=True)


def put(out: Console, text: str) -> None:
    """Write a file's text as it is: of what is printed, a console drops carriage returns and widens tabs."""
    ended = text if text.endswith("\n") else f"{text}\n"
    out.print(Segments([Segment(ended)]), end="", soft_wrap=True)


def say(sentence: str) -> None:
    """Say something on standard error: on the other one stands the report."""
    print(f"tb-lossdiag: {flat(sentence)}", file=sys.stderr)  # noqa: T201


def warn_of_extensions() -> None:
    """Load other packages' rules; say on standard error which could not be, and what they print meanwhile."""
    with stdout_aside():
        for sentence in failures():
            say(f"warning: {sentence}")
