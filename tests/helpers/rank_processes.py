"""Starts the ranks of small distributed trainings, a process each."""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.context import ForkServerContext
from pathlib import Path

import pytest

LIMIT = 120
"""Seconds after which processes count as hanging."""
Main = Callable[[int, int, Path, Sequence[str]], None]
Launch = Callable[[Path, int, Sequence[str]], None]


@contextmanager
def launching(main: Main) -> Iterator[Launch]:
    """Run trainings on so many ranks, by what every rank does; fails if a rank fails or hangs."""
    context = multiprocessing.get_context("forkserver")  # imports torch once
    context.set_forkserver_preload([main.__module__])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
        yield lambda *arguments: _launch(context, main, *arguments)


def _launch(
    context: ForkServerContext, main: Main, folder: Path, size: int, trainings: Sequence[str]
) -> None:
    ranks = [
        context.Process(target=main, args=(rank, size, folder, trainings)) for rank in range(size)
    ]
    for rank in ranks:
        rank.start()
    end = time.monotonic() + LIMIT
    try:
        for rank in ranks:
            rank.join(max(end - time.monotonic(), 0.0))
        assert [rank.exitcode for rank in ranks] == [0] * size
    finally:
        for rank in ranks:
            rank.kill()
