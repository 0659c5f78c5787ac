"""A run that is slow to read keeps nobody waiting who wants another one."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from helpers.written_runs import write_run
from tb_lossdiag import quantities as q
from tb_lossdiag.reader import Reader, open_folder
from tb_lossdiag.records import table


class _Slow:
    """A provider that waits before it hands out one run."""

    def __init__(self, provider: Any, slow: str) -> None:
        self._provider, self._slow = provider, slow
        self.asked, self.go_on, self.count = threading.Event(), threading.Event(), 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._provider, name)

    def read_tensors(self, context: Any, **named: Any) -> Any:
        if self._slow in named["run_tag_filter"].runs:
            self.count += 1
            self.asked.set()
            assert self.go_on.wait(60)
        return self._provider.read_tensors(context, **named)


@pytest.fixture
def provider(tmp_path: Path) -> _Slow:
    """Two runs, one of them slow."""
    for name in ("quick", "slow"):
        write_run(tmp_path / name, [table(q.LOSS, range(20), [1.0] * 20)])
    return _Slow(open_folder(str(tmp_path)), "slow")


def test_other_runs_are_read_meanwhile_and_it_is_read_once(provider: _Slow) -> None:
    reader = Reader(provider)
    listings = reader.listings()
    with ThreadPoolExecutor(4) as others:
        waiting = [others.submit(reader.read, listings["slow"]) for _ in range(2)]
        try:
            assert provider.asked.wait(60)
            assert others.submit(reader.read, listings["quick"]).result(30).last_step() == 19
            assert others.submit(reader.listings).result(30) == listings
        finally:
            provider.go_on.set()
        first, second = (one.result(60) for one in waiting)
    assert first is second
    assert provider.count == len(listings["slow"].tags)
