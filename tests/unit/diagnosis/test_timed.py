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


class Deaf(threading.Thread):
    """A thread in C code that does not return; it never started, so nothing is raised anywhere."""

    asked = 0

    def join(self, timeout: float | None = None) -> None:
        assert timeout is not None
        self.asked += 1

    def is_alive(self) -> bool:
        return True


def test_what_cannot_be_ended_is_asked_for_a_while_and_left_behind() -> None:
    deaf = Deaf()
    assert not timed._ended(deaf)
    assert 1 < deaf.asked < 100
