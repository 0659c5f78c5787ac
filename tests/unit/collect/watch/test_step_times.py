"""Times of steps between two rows, which may be several steps apart."""

from __future__ import annotations

import math
import time

import pytest

from tb_lossdiag.collect.watch.step_times import StepTimes


def test_a_rows_times_are_those_of_one_step(monkeypatch: pytest.MonkeyPatch) -> None:
    times = StepTimes()
    monkeypatch.setattr(time, "perf_counter", lambda: 10.5)
    times.spent(10.0)
    seconds, own, count = times.take(10.5, 0)
    assert math.isnan(seconds)  # nothing came before it
    assert (own, count) == (0.5, 1)
    monkeypatch.setattr(time, "perf_counter", lambda: 12.0)
    times.spent(11.0)
    times.spent(11.5)
    assert times.take(20.5, 4) == (10.0 / 4, 1.5 / 4, 4)
    assert times.take(21.5, 5) == (1.0, 0.0, 1)
