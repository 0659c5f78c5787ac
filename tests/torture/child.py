"""Scripts in processes of their own, with a time limit: what hangs, dies or is killed takes no test down."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO


@dataclass(frozen=True)
class Ended:
    """How a script ended.

    Attributes:
        code: its exit code, less than 0 for the signal that ended it; None: it hung and was killed.
        out: what it printed.
        err: its standard error.
        seconds: how long it took.
    """

    code: int | None
    out: str
    err: str
    seconds: float


def script(source: str, *arguments: object, limit: float = 120.0, **environment: str) -> Ended:
    """Run a script's text to its end, or for so many seconds; what it started ends with it."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        begin = time.monotonic()
        with started(source, *arguments, out=out, err=err, **environment) as process:
            try:
                code: int | None = process.wait(limit)
            except subprocess.TimeoutExpired:
                code = None
            seconds = time.monotonic() - begin
        return Ended(code, _text(out), _text(err), seconds)


@contextmanager
def started(
    source: str,
    *arguments: object,
    out: IO[bytes] | None = None,
    err: IO[bytes] | None = None,
    **environment: str,
) -> Iterator[subprocess.Popen[bytes]]:
    """A running script, for a test that kills it; at the end it and what it started are killed if they still run.

    Its output goes to files: a pipe would stay open for as long as a forked child lives.
    """
    process = subprocess.Popen(
        [sys.executable, "-c", source, *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL if out is None else out,
        stderr=subprocess.DEVNULL if err is None else err,
        env={**os.environ, "PYTHONPATH": _path(), **environment},
        start_new_session=True,
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _path() -> str:
    """What this process imports, the tests' own modules included."""
    return os.pathsep.join([str(Path(__file__).parents[1]), *filter(None, sys.path)])


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")
