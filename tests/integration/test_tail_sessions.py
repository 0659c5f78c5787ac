"""Tails of several sessions in one folder: of writers killed one after the other, and of such as were open at the same time."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from torture.child import script, started

from helpers.tiny_trainings import read
from tb_lossdiag import SummaryWriter
from tb_lossdiag.quantities import LOSS, OTHER_WRITERS, VALIDATION_LOSS
from tb_lossdiag.run import Run
from tb_lossdiag.wire.leftover import is_tail

SESSION = """
import os, sys, time
from tb_lossdiag import SummaryWriter
folder, suffix, phase, begin, middle, end, more = *sys.argv[1:4], *map(int, sys.argv[4:])
writer = SummaryWriter(folder, filename_suffix=suffix)
def log(steps):
    for step in steps:
        writer.add_diagnostics(loss=float(more + step), phase=phase, global_step=step)
        if step == begin:  # windows grow after the first record
            writer.flush()
            writer._recorder.cadence.window = 7
    writer._diagnostics._hand.tail.keep(now=True)
log(range(begin, middle))
if middle < end:
    open(folder + suffix, "w").close()
    while not os.path.exists(folder + suffix + ".go"):
        time.sleep(0.01)
    log(range(middle, end))
os.kill(os.getpid(), 9)
"""


def killed(folder: Path, begin: int, end: int, more: int = 0, phase: str = "train") -> None:
    """A session that records these steps and is killed; its last window is in its tail alone."""
    assert script(SESSION, folder, "", phase, begin, end, end, more).code == -9
    time.sleep(1.1)  # files are ordered by the second in their names


def losses(run: Run) -> list[tuple[int, float]]:
    """The last step of each record, and the largest loss in it."""
    table = run.highest(LOSS)
    return list(zip(table.steps.tolist(), table.values[:, 0].tolist(), strict=True))


def restarts(run: Run) -> list[tuple[str, int]]:
    return [(restart.kind, restart.step) for restart in run.restarts]


def tails(folder: Path) -> int:
    return sum(is_tail(path.name) for path in folder.iterdir())


def closed(folder: Path) -> Run:
    """The run after a writer that recorded nothing: what was left is in an event file."""
    SummaryWriter(folder).close()
    assert tails(folder) == 0
    return read(folder)


def test_each_of_three_killed_sessions_undoes_what_it_did_again(tmp_path: Path) -> None:
    """The first one's tail is in the second one's event file, that one's in the third one's."""
    folder = tmp_path / "run"
    killed(folder, 0, 17)
    assert losses(read(folder)) == [(0, 0.0), (7, 7.0), (14, 14.0), (16, 16.0)]
    killed(folder, 14, 31, 100)
    second = [(0, 0.0), (7, 7.0), (14, 114.0), (21, 121.0), (28, 128.0), (30, 130.0)]
    assert losses(read(folder)) == second
    killed(folder, 31, 40, 200)
    third = [*second, (31, 231.0), (38, 238.0), (39, 239.0)]
    whole = read(folder)
    assert (losses(whole), restarts(whole)) == (third, [("resumed", 14), ("resumed", 31)])
    assert tails(folder) == 1
    after = closed(folder)
    assert (losses(after), restarts(after)) == (third, restarts(whole))


def test_steps_are_counted_on_from_a_tail(tmp_path: Path) -> None:
    killed(tmp_path / "run", 0, 10)
    with SummaryWriter(tmp_path / "run") as writer:
        writer.add_diagnostics(loss=10.0)
    assert losses(read(tmp_path / "run")) == [(0, 0.0), (7, 7.0), (9, 9.0), (10, 10.0)]


@pytest.mark.parametrize("phase", ["train", "validation"])
def test_of_two_that_were_open_at_once_neither_undoes_the_other(tmp_path: Path, phase: str) -> None:
    """The second begins and is killed while the first goes on, and is killed later."""
    folder, other = tmp_path / "run", LOSS if phase == "train" else VALIDATION_LOSS
    with started(SESSION, folder, ".a", "train", 0, 10, 24, 0) as first:
        _wait(tmp_path / "run.a")
        killed(folder, 3, 19, 100, phase)
        assert tails(folder) == 2
        (tmp_path / "run.a.go").touch()
        assert first.wait(60) == -9
    before = read(folder)
    assert (23, 23.0) in losses(before)
    assert before.highest(other).values.max() == 118.0
    after = closed(folder)
    for name in (LOSS.name, other.name):
        table, same = before.tables[name], after.tables[name]
        assert table.steps.tolist() == same.steps.tolist()
        assert table.values.tolist() == same.values.tolist()
    assert after[OTHER_WRITERS].values.max() == 1
    if phase == "validation":
        assert losses(after) == [(0, 0.0), (7, 7.0), (14, 14.0), (21, 21.0), (23, 23.0)]
        assert restarts(after) == []


def test_a_living_writers_tail_is_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with started(SESSION, folder, ".a", "train", 0, 10, 24, 0) as first:
        _wait(tmp_path / "run.a")
        SummaryWriter(folder).close()
        assert tails(folder) == 1
        (tmp_path / "run.a.go").touch()
        first.wait(60)
    assert losses(read(folder)) == [(0, 0.0), (7, 7.0), (14, 14.0), (21, 21.0), (23, 23.0)]


def _wait(path: Path) -> None:
    end = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < end
        time.sleep(0.01)
