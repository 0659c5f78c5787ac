"""What a step changes is looked at now and then, for a part of the time only."""

from __future__ import annotations

import time
from typing import Any

import pytest
from torch import nn

from tb_lossdiag import SummaryWriter
from tb_lossdiag.collect.buffers.norm_buffer import NormBuffer
from tb_lossdiag.collect.state.parameters import parameters
from tb_lossdiag.collect.watch.step_updates import StepUpdates
from tb_lossdiag.collect.watch.watched_parameters import WatchedParameters


class Clock:
    """Time that goes on as it is told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.wall = self.worked = 100.0
        monkeypatch.setattr(time, "perf_counter", lambda: self.wall)
        monkeypatch.setattr(time, "thread_time", lambda: self.worked)


def looked_at(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch, cost: float, step: float, every: int = 1
) -> list[int]:
    """Steps of 2,000 that are looked at, each of which takes so long, when a look costs so much."""
    net = nn.Linear(2, 1)
    with SummaryWriter(tmp_path) as writer:
        host = writer._diagnostics.host
        found, rows = parameters(net), NormBuffer("", ("weight", "bias"))
        clock = Clock(monkeypatch)
        updates = StepUpdates(rows, WatchedParameters(net, found, rows, host), host, every)
        take, seen = StepUpdates._take, []

        def costly(self: StepUpdates) -> None:
            clock.worked += cost
            seen.append(taken)
            take(self)

        monkeypatch.setattr(StepUpdates, "_take", costly)
        for taken in range(2000):
            updates.before_step(taken)
            updates.after_step(taken)
            clock.wall += step
        monkeypatch.undo()
    return seen


def test_a_small_model_is_looked_at_in_every_twentieth_step(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = looked_at(tmp_path, monkeypatch, 0.0002, 0.001)
    assert seen == [0, 1, 2, *range(20, 2000, 20)]


@pytest.mark.parametrize(("every", "apart"), [(7, 21), (20, 20), (100, 100)])
def test_where_some_steps_are_looked_at_it_is_one_of_them(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch, every: int, apart: int
) -> None:
    seen = looked_at(tmp_path, monkeypatch, 0.0002, 0.001, every)
    assert seen == [0, 1, 2, *range(apart, 2000, apart)]


def test_a_large_one_for_a_part_of_the_time(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = looked_at(tmp_path, monkeypatch, 0.04, 0.1)
    assert seen[:3] == [0, 1, 2]
    assert seen[3] > 20
    assert all(step % 20 == 0 for step in seen[3:])
    assert 0.04 * len(seen) == pytest.approx(0.05 + 0.0025 * 200, abs=0.05)
