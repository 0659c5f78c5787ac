"""What waits for a disk that refuses, is slow, or does not answer: nothing raises, nothing hangs, and what is lost is counted."""

from __future__ import annotations

import contextlib
import errno
import threading
import time
from collections.abc import Callable, Sequence
from itertools import pairwise

import pytest

from tb_lossdiag.process.forks import Origin
from tb_lossdiag.recording import backlog, refusals
from tb_lossdiag.recording import spool as module
from tb_lossdiag.recording.spool import Spool

FULL = OSError(errno.ENOSPC, "No space left on device")


class Disk:
    """A file whose next writes do what a test says."""

    name, pause = "file", 1000.0

    def __init__(self, *before: Callable[[], object]) -> None:
        self.items: list[bytes] = []
        self.synced: list[tuple[int, threading.Thread]] = []
        self.before = list(before)

    def write(self, items: Sequence[bytes]) -> int:
        if self.before:
            self.before.pop(0)()
        self.items += items
        return len(items)

    def flush(self) -> None:
        pass

    def discard(self) -> None:
        pass

    def sync(self) -> None:
        self.synced.append((len(self.items), threading.current_thread()))

    def ended_by(self, _: Exception, /) -> bool:
        return False


def refuse() -> None:
    raise FULL


def spool(*disks: Disk) -> tuple[Spool, list[tuple[str, str]]]:
    """A spool of these files, one after the other, and what it tells."""
    told: list[tuple[str, str]] = []
    queue = list(disks)
    made = Spool(
        lambda: queue.pop(0), b"first", lambda key, word: told.append((key, word)), strict=False
    )
    return made, told


def until(done: Callable[[], object]) -> None:
    """Wait, for half a minute at most."""
    end = time.monotonic() + 30
    while not done():
        assert time.monotonic() < end
        time.sleep(0.002)


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refusals, "_FIRST_PAUSE", 0.01)


def test_what_a_disk_refuses_is_kept_in_order_and_written_without_being_asked() -> None:
    disk = Disk(refuse, refuse)
    waiting, told = spool(disk)
    waiting.put([b"a", b"b"])
    until(lambda: waiting.failing)
    waiting.put([b"c"])
    until(lambda: len(disk.items) == 4)
    assert disk.items == [b"first", b"a", b"b", b"c"]
    assert [key for key, _ in told] == ["failed writing", "writing again"]
    assert "No space left" in told[0][1]
    assert told[1][1] == "after 0 s; nothing was lost"
    assert waiting.close()


def test_pauses_double_up_to_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refusals, "_FIRST_PAUSE", 1.0)
    waiting, _ = spool(Disk())
    pauses = []
    for _ in range(8):
        waiting._refused(FULL)
        pauses.append(waiting._refusals._pause)
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60]


def test_memory_is_bounded_and_what_had_no_room_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backlog, "MOST", 100)
    disk = Disk(*[refuse] * 3)
    waiting, told = spool(disk)
    waiting.flush()
    for number in range(50):
        waiting.put([bytes([number]) * 10])
    assert waiting._items._bytes <= 100
    assert waiting.gap
    until(lambda: waiting.failing is None)
    assert disk.items == [b"first", *(bytes([number]) * 10 for number in range(9))]
    assert told[-1] == ("writing again", "after 0 s; 41 events were lost")
    waiting.close()


def test_a_slow_disk_is_waited_for_and_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backlog, "MOST", 100)
    disk = Disk(*[lambda: time.sleep(0.01)] * 20)
    waiting, told = spool(disk)
    for number in range(50):
        waiting.put([bytes([number]) * 10])
    assert waiting.close()
    assert len(disk.items) == 51
    assert not told


def test_a_disk_that_does_not_answer_stops_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STUCK", 0.1)
    monkeypatch.setattr(backlog, "MOST", 100)
    answers = threading.Event()
    disk = Disk(lambda: answers.wait(60))
    waiting, told = spool(disk)
    for number in range(50):
        waiting.put([bytes([number]) * 10])
    assert not waiting.flush()
    assert "no answer" in told[0][1]
    answers.set()
    until(lambda: waiting.failing is None)
    assert waiting.close()
    assert len(disk.items) == 10


def test_the_end_gives_up_what_is_not_taken() -> None:
    disk = Disk(*[refuse] * 1000)
    waiting, _ = spool(disk)
    waiting.put([b"a"])
    assert not waiting.flush()
    assert not waiting.close()
    assert waiting.gap
    waiting.put([b"b"])
    assert waiting.flush()  # there is nothing any more that could be flushed


def test_without_threads_everything_is_written_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_thread(_: object) -> None:
        raise RuntimeError("can't start new thread at interpreter shutdown")

    monkeypatch.setattr(threading.Thread, "start", no_thread)
    disk = Disk(lambda: None, refuse)
    waiting, _ = spool(disk)
    waiting.put([b"a"])
    waiting.put([b"b"])
    assert disk.items == [b"first", b"a"]
    assert waiting.flush()
    assert waiting.close()
    assert disk.items == [b"first", b"a", b"b"]
    assert len(disk.synced) == 1


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("broken", ["_run", "_work", "_took"])
def test_a_mistake_in_its_thread_keeps_nobody_waiting(
    monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    ours, disk = spool(made := Disk())[0], made

    def mistake(*_: object) -> None:
        raise ZeroDivisionError

    begin = time.monotonic()
    with monkeypatch.context() as patch:
        patch.setattr(Spool, broken, mistake)
        ours.put([b"a"])
        with contextlib.suppress(ZeroDivisionError):
            ours.flush()
    ours.put([b"b"])
    assert ours.flush()
    assert ours.close()
    assert time.monotonic() - begin < module.STUCK / 2
    assert list(dict.fromkeys(disk.items)) == [
        b"first",
        b"a",
        b"b",
    ]  # "written" may not have been noted


def test_synced_now_and_then_off_the_callers_thread_and_at_the_end() -> None:
    disk = Disk()
    disk.pause = 0.05
    waiting, _ = spool(disk)
    waiting.put([b"a"])
    until(lambda: disk.synced)
    time.sleep(0.2)
    assert len(disk.synced) == 1  # nothing new was written since
    waiting.put([b"b"])
    assert waiting.close()
    assert disk.synced[-1][0] == 3
    assert threading.current_thread() not in [thread for _, thread in disk.synced]
    assert all(a[0] < b[0] for a, b in pairwise(disk.synced))


def test_another_file_takes_what_one_refuses_for_good() -> None:
    class Short(Disk):
        def ended_by(self, _: Exception, /) -> bool:
            return bool(self.items)

    full, new = Short(lambda: None, refuse), Disk()
    waiting, told = spool(full, new)
    waiting.put([b"a"])
    waiting.flush()
    waiting.put([b"b"])
    assert waiting.close()
    assert (full.items, new.items) == ([b"first", b"a"], [b"first", b"b"])
    assert not told


def test_after_a_fork_nothing_is_touched(monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Disk()
    waiting, _ = spool(disk)
    waiting.put([b"a"])
    waiting.flush()
    monkeypatch.setattr(Origin, "_crossed", Origin._crossed + 1)
    monkeypatch.setattr(waiting, "_change", None)  # a lock that the parent may have held
    waiting.put([b"b"])
    assert waiting.flush()
    assert waiting.close()
    assert disk.items == [b"first", b"a"]
