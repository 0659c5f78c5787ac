"""First steps wait for their number, but not for ever."""

from __future__ import annotations

import time

import pytest

from tb_lossdiag.collect.buffers.hold import Hold


def test_it_begins_with_a_step_and_ends_with_a_name() -> None:
    kept = Hold()
    waits = [kept.waits]
    kept.step()
    waits.append(kept.waits)
    kept.end()
    kept.step()
    assert [*waits, kept.waits] == [False, True, False]


def test_after_many_steps_nobody_names_them() -> None:
    kept = Hold()
    waits = []
    for _ in range(65):
        kept.step()
        waits.append(kept.waits)
    assert waits == [True] * 63 + [False] * 2


def test_slow_steps_show_themselves_but_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([100.0, 131.0, 132.0])
    monkeypatch.setattr(time, "monotonic", lambda: next(times))
    kept = Hold()
    waits = []
    for _ in range(3):
        kept.step()
        waits.append(kept.waits)
    assert waits == [True, False, False]
