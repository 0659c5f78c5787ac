"""A listing holds while nothing is written, the longer the longer that has been so."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import count, pairwise
from pathlib import Path

import pytest

from tb_lossdiag.plugin.quiet import Folder, Quiet


class Clock:
    """Seconds, as the test says."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def event_file(tmp_path: Path) -> Path:
    (tmp_path / "run").mkdir()
    file = tmp_path / "run/events.out.tfevents.1"
    file.write_bytes(b"1")
    return file


def listed(quiet: Quiet[int], clock: Clock, seconds: float, values: Iterator[int]) -> int:
    clock.now += seconds
    return quiet.get("reader", lambda: next(values))


def test_a_quiet_folder_is_listed_ever_more_rarely(tmp_path: Path, event_file: Path) -> None:
    clock, asked = Clock(), list[float]()
    quiet = Quiet[str](Folder(str(tmp_path)), clock)

    def ask() -> str:
        asked.append(clock.now)
        return "same"

    for _ in range(200):
        clock.now += 5
        quiet.get("reader", ask)
    pauses = [after - before for before, after in pairwise(asked)]
    assert pauses[0] == 5
    assert pauses == sorted(pauses)
    assert pauses[-1] == 120
    assert event_file.exists()


@pytest.mark.parametrize("what", ["grown", "new run", "removed", "tail"])
def test_what_is_written_is_seen_at_once(tmp_path: Path, event_file: Path, what: str) -> None:
    clock, values = Clock(), count()
    quiet = Quiet[int](Folder(str(tmp_path)), clock)
    for _ in range(400):
        clock.now += 5
        quiet.get("reader", lambda: 7)
    assert listed(quiet, clock, 0.1, values) == 7
    if what == "grown":
        event_file.write_bytes(b"12")
    elif what == "new run":
        other = tmp_path / "a/b"
        other.mkdir(parents=True)
        (other / "events.out.tfevents.2").write_bytes(b"")
    elif what == "removed":
        event_file.unlink()
    else:
        event_file.with_name("lossdiag.1.host.2.3.tail").write_bytes(b"")
    os.utime(tmp_path, ns=(1, 2))
    assert listed(quiet, clock, 1, values) == 0


def test_another_reader_lists_anew(tmp_path: Path, event_file: Path) -> None:
    clock, values = Clock(), count()
    quiet = Quiet[int](Folder(str(event_file.parents[1])), clock)
    for _ in range(20):
        clock.now += 5
        quiet.get("reader", lambda: 7)
    assert listed(quiet, clock, 0.1, values) == 7
    assert quiet.get("other", lambda: next(values)) == 0
    assert tmp_path.exists()


@pytest.mark.parametrize("logdir", ["", "gs://bucket/runs", "/no/such/folder"])
def test_what_cannot_be_looked_at_is_listed_every_time_or_as_it_is(logdir: str) -> None:
    stamp = Folder(logdir).stamp()
    assert (stamp is None) == (not logdir.startswith("/"))
