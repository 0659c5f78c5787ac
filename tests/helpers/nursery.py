"""Python processes that have imported torch when they begin: forks of one that waits, which run scripts and modules as `python` does."""

from __future__ import annotations

import json
import os
import runpy
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

_PATIENCE = 240
"""Seconds after which a process counts as hanging."""


class Ended(NamedTuple):
    """How a process ended.

    Attributes:
        code: its exit code.
        err: its standard error.
    """

    code: int
    err: str


class Nursery:
    """Starts them; what they import besides torch they import themselves."""

    def __init__(self, waiting: subprocess.Popen[str]) -> None:
        """Of the process that waits."""
        self._waiting = waiting

    def python(self, folder: Path, *command: str) -> Ended:
        """Run `python COMMAND` in a folder."""
        assert self._waiting.stdin is not None
        assert self._waiting.stdout is not None
        with tempfile.NamedTemporaryFile("r") as err:
            told = {"folder": str(folder), "command": command, "err": err.name}
            self._waiting.stdin.write(json.dumps(told) + "\n")
            self._waiting.stdin.flush()
            return Ended(int(self._waiting.stdout.readline()), err.read())


@contextmanager
def nursery(path: Path) -> Iterator[Nursery]:
    """One process that has imported torch, and imports from this path."""
    with subprocess.Popen(
        [sys.executable, __file__],
        env={**os.environ, "PYTHONPATH": str(path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as waiting:
        yield Nursery(waiting)
        waiting.communicate()


def _forked() -> list[str]:
    """Fork for each line; only forks return, with the command that each is, so that nothing stands around what they run."""
    __import__("torch._dynamo")  # what the first optimizer imports
    for line in sys.stdin:
        told = json.loads(line)
        if not (child := os.fork()):
            _settle(told["folder"], told["err"])
            return list(told["command"])
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
    sys.exit()


def _settle(folder: str, err: str) -> None:
    """The folder and the output of a new process, which ends if it hangs."""
    signal.alarm(_PATIENCE)
    os.chdir(folder)
    nothing = os.open(os.devnull, os.O_RDWR)
    for old, new in ((nothing, 0), (nothing, 1), (os.open(err, os.O_WRONLY), 2)):
        os.dup2(old, new)
    sys.path[0] = folder  # where this file's was


if __name__ == "__main__":
    command = _forked()
    if command[0] == "-m":
        sys.argv = command[1:]
        runpy.run_module(command[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = command
        runpy.run_path(command[0], run_name="__main__")
