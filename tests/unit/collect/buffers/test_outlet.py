"""What waits reaches the file: complete steps in time, everything in the end, and whatever fails costs only itself."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from tensorboard.compat.proto import summary_pb2
from torch import nn

from helpers.emitted import Emitted
from tb_lossdiag.collect.buffers.norm_buffer import ROWS, NormBuffer, StepInfo
from tb_lossdiag.collect.buffers.outlet import Outlet
from tb_lossdiag.collect.buffers.queue import Observation
from tb_lossdiag.collect.guard import Guard
from tb_lossdiag.collect.state.measurement import Measurement
from tb_lossdiag.collect.state.optimizers import Optimizers
from tb_lossdiag.file_writer import FileWriter
from tb_lossdiag.quantities import EXTRA, GRADIENT_NORM, LOSS
from tb_lossdiag.recording.event_file import EventFile
from tb_lossdiag.recording.recorder import Recorder
from tb_lossdiag.recording.windows import Cadence
from tb_lossdiag.records import Record

NAN = float("nan")


class Listens(Emitted):
    """What goes into the event file, as a reader sees it."""

    def take(self, values: list[summary_pb2.Summary.Value], step: int, walltime: float) -> None:
        self(values, step, walltime)


class Line:
    """An outlet with all that it needs, on a real event file."""

    def __init__(self, folder: Path, window: int = 1) -> None:
        self.file, self.out, self.said = EventFile(), Listens(), dict[str, str]()
        self.file.use(FileWriter(self.file.make(str(folder), 120, "", strict=True)))
        self.file.listener = self.out
        guard = Guard(self.said.update)
        self.guard, self.optimizers = guard, Optimizers(guard)
        self.recorder = Recorder(self.file, lambda _: {}, Cadence(window=window))
        self.outlet = Outlet(self.recorder, self.file, guard, self.optimizers)
        self.rows = NormBuffer("net", ("a",))
        self.outlet.rows.append(self.rows)

    def step(self, step: int, norm: float = 1.0, *, now: bool = False) -> None:
        """A watched step with its loss."""
        self.outlet.waiting.put_loss("train", step, 1.0 + step, 0.5)
        self.rows.put(torch.tensor([norm]), StepInfo(step, 1.0 + step, 0.1, 0.0, None))
        self.outlet.stepped(self.rows, now=now)

    def steps(self) -> list[int]:
        """Whose norms are in the file."""
        return [step for step, _ in self.out.of(GRADIENT_NORM)]


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Line]:
    made = Line(tmp_path)
    made.rows.hold.end()  # steps are named
    yield made
    made.file.close(quietly=True)


def test_steps_before_the_newest_are_written_and_a_flush_writes_all(line: Line) -> None:
    for step in range(3):
        line.step(step)
    assert line.steps() == []
    line.outlet.drain()
    assert line.steps() == [0, 1]
    line.outlet.drain(step=3)
    assert line.steps() == [0, 1, 2]
    line.step(3)
    line.outlet.flush()
    assert line.steps() == [0, 1, 2, 3]
    assert [step for step, _ in line.out.of(LOSS)] == [0, 1, 2, 3]


def test_what_must_be_there_at_once_is_handed_over_at_once(line: Line) -> None:
    line.step(0)
    line.step(1, now=True)
    assert line.steps() == [0]


def test_full_rows_are_handed_over(line: Line) -> None:
    for step in range(ROWS):
        line.step(step)
    assert line.steps() == list(range(ROWS - 1))


def test_nothing_waits_long(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    line.step(0)
    line.step(1)
    later = time.perf_counter() + 1.0
    monkeypatch.setattr(time, "perf_counter", lambda: later)
    line.step(2)
    assert line.steps() == [0, 1]


def test_a_loss_that_is_no_number_is_handed_over_at_once(line: Line) -> None:
    line.step(0)
    line.outlet.waiting.put_loss("train", 1, 2.0, NAN)
    line.outlet.if_due(now=False)
    assert [step for step, _ in line.out.of(LOSS)] == [0]
    tails = list(Path(line.file.path).parent.glob("*.tail"))
    assert len(tails) == 1  # where a kill leaves the rest


def test_steps_whose_number_may_change_are_held_back(tmp_path: Path) -> None:
    line = Line(tmp_path)
    for step in range(3):
        line.step(step)
    line.outlet.drain()
    assert line.steps() == []
    line.outlet.flush()
    assert line.steps() == [0, 1, 2]
    line.file.close(quietly=True)


def test_steps_that_share_a_number_to_come_are_waited_for_a_while(line: Line) -> None:
    line.rows.provisional = True
    for step in range(2 * ROWS - 1):
        line.step(step)
    assert line.steps() == []
    line.step(2 * ROWS - 1)
    assert len(line.steps()) == 2 * ROWS - 1


def test_a_model_that_is_watched_no_more_leaves_what_it_has(line: Line) -> None:
    for step in range(3):
        line.step(step)
    line.outlet.retire(line.rows, 3)
    assert line.steps() == [0, 1, 2]
    assert line.outlet.rows == []


def test_samples_reach_their_own_step_and_names_are_told(line: Line) -> None:
    optimizer = torch.optim.SGD(nn.Linear(1, 1).parameters(), lr=0.1)
    line.optimizers.watch(optimizer)
    sample = Measurement([torch.tensor(2.0)], lambda a: [Record(EXTRA, ("x",), np.concatenate(a))])
    line.outlet.waiting.put(Observation(5, 1.0, [("own", sample)]))
    line.outlet.flush()
    assert line.out.of(EXTRA) == [(5, [2.0])]
    words = [dict(fact.words.values) for _, fact in line.out.facts if fact.HasField("words")]
    assert words == [{"optimizer": "SGD"}]


def test_rows_that_fail_cost_no_losses_and_no_later_rows(line: Line) -> None:
    line.step(0)
    places = np.array([7])  # of a parameter that is not there
    line.rows.put(torch.tensor([1.0]), StepInfo(1, 2.0, 0.1, 0.0, places))
    line.outlet.waiting.put_loss("train", 1, 2.0, 0.25)
    with pytest.warns(RuntimeWarning, match="the writing collector failed"):
        line.outlet.flush()
    line.guard.step()
    line.step(2)
    line.outlet.flush()
    assert [step for step, _ in line.out.of(LOSS)] == [0, 1, 2]
    assert line.steps() == [2]
    assert "IndexError" in line.said["failed writing"]


def test_what_cannot_be_written_does_not_pile_up(line: Line) -> None:
    line.out.fails = True
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for step in range(5000):
            line.step(step)
            line.guard.step()
    assert len(told) == 1
    assert len(line.rows) <= 3 * ROWS
    assert "no space left" in line.said["failed writing"]


def test_who_does_not_write_keeps_nothing(line: Line) -> None:
    line.step(0)
    line.outlet._silent = True
    line.outlet.flush()
    assert len(line.rows) == 1  # nothing is written; the next hand-over forgets it
    line.outlet.drain()
    assert len(line.rows) == 0
    line.outlet.close(patience=0.0)
    assert not line.out.records


class Judge:
    """Would be told, and asks to stop."""

    def __init__(self) -> None:
        self.calm, self.ended = True, 0

    def judge(self) -> Exception | None:
        return None

    def last(self) -> None:
        self.ended += 1


def test_the_first_step_that_is_not_finite_ends_its_window_for_who_judges(tmp_path: Path) -> None:
    line = Line(tmp_path, window=100)
    line.rows.hold.end()
    line.outlet.live = judge = Judge()
    for step in range(6):
        line.step(step, NAN if step == 3 else 1.0)
    line.outlet.drain()
    assert line.steps() == [4]  # up to the newest complete step, long before the window is full
    line.step(6, now=True)
    assert line.steps() == [4]
    line.outlet.close(patience=1.0)
    assert line.steps() == [4, 6]
    assert judge.ended == 1
    line.file.close(quietly=True)
