"""Work of others has some seconds: what it gives comes back, what does not end is ended or left behind."""

from __future__ import annotations

import threading
import time

import pytest

from tb_lossdiag.diagnosis import timed
from tb_lossdiag.diagnosis.timed import TooLong, within


def endless() -> None:
    while True:
        time.sleep(0.001)


def left_over() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if "foreign rule" in thread.name]


def test_the_result_is_what_the_work_gives() -> None:
    assert within(60, lambda: 7) == 7


def test_what_the_work_raises_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        within(60, lambda: 1 // 0)


def test_a_loop_in_python_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timed, "_PAUSE", 5.0)  # a busy machine may be slow to end it
    with pytest.raises(TooLong) as told:
        within(0.05, endless)
    assert told.value.ended
    assert not left_over()


def test_what_cannot_be_ended_is_left_behind_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting for a lock is C, which looks at no exception before it returns."""
    monkeypatch.setattr(timed, "_TRIES", 2)
    monkeypatch.setattr(timed, "_PAUSE", 0.01)
    held = threading.Lock()
    held.acquire()
    with pytest.raises(TooLong) as told:
        within(0.05, held.acquire)
    assert not told.value.ended
    (waiting,) = left_over()
    held.release()
    waiting.join(60)
    assert not waiting.is_alive()
