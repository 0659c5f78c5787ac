"""Windows that are open when a process is killed: read from the tail file, and turned into records by the next writer."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from integration.loaders import LOADERS, end_servers
from tensorboard.context import RequestContext
from torture.child import script

from helpers.tensorboard_process import get, serving
from helpers.tiny_trainings import read
from tb_lossdiag import SummaryWriter
from tb_lossdiag.quantities import LOSS, OTHER_WRITERS, STEPS
from tb_lossdiag.reader import Reader, open_folder, with_tails
from tb_lossdiag.recording.tail import Tail
from tb_lossdiag.run import Run
from tb_lossdiag.wire import leftover
from tb_lossdiag.wire.leftover import is_tail
from tb_lossdiag.wire.schema import PLUGIN, parse_tag

KILLED = """
import os, sys
from tb_lossdiag import SummaryWriter
folder, window, steps = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
writer = SummaryWriter(folder)
writer._recorder.cadence.window = window
for step in range(steps):
    writer.add_diagnostics(loss=float(step), global_step=step, walltime=1e9 + step)
    if step == steps - 2:
        writer._event_file.file_writer.flush()
writer._diagnostics._hand.tail.keep(now=True)
os.kill(os.getpid(), 9)
"""


@pytest.fixture(autouse=True)
def _servers() -> Iterator[None]:
    yield
    end_servers()


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the run of a process that was killed: records of 40 steps each, 30 steps since the last one."""
    folder = tmp_path_factory.mktemp("left")
    assert script(KILLED, folder, 40, 150).code == -9
    time.sleep(1.1)  # files are ordered by the second in their names
    return folder


@pytest.fixture
def folder(left: Path, tmp_path: Path) -> Path:
    shutil.copytree(left, tmp_path / "runs" / "killed")
    return tmp_path / "runs" / "killed"


def tails(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if is_tail(path.name)]


def highest(run: Run) -> list[tuple[int, float]]:
    """Steps of the records of the loss, and the largest loss in each."""
    table = run.highest(LOSS)
    return list(zip(table.steps.tolist(), table.values[:, 0].tolist(), strict=True))


def every(provider: Any) -> Run:
    reader = Reader(provider)
    (listing,) = reader.listings().values()
    return reader.read(listing)


ALL = [(39, 39.0), (79, 79.0), (119, 119.0), (149, 149.0)]


@pytest.mark.parametrize("loader", LOADERS)
def test_an_open_window_is_read_under_both_loaders(folder: Path, loader: str) -> None:
    provider = LOADERS[loader](str(folder.parent))
    if loader == "rust":
        provider = with_tails(provider, str(folder.parent))
    assert highest(every(provider)) == ALL
    assert not tails(folder)[0].name.count("tfevents")


def test_a_listing_changes_with_the_tail(folder: Path) -> None:
    whole = Reader(open_folder(str(folder.parent))).listings()["killed"]
    tails(folder)[0].unlink()
    without = Reader(open_folder(str(folder.parent))).listings()["killed"]
    assert whole.version != without.version
    assert whole.tags != without.tags


def test_a_real_tensorboard_shows_it(folder: Path) -> None:
    with serving(str(folder.parent)) as address:
        end = time.monotonic() + 60
        row = None
        while time.monotonic() < end and (row is None or row["last_step"] != 149):
            time.sleep(0.2)
            (row, *_) = json.loads(get(f"{address}/data/plugin/lossdiag/runs")[1])["runs"] or [None]
        assert row is not None
        assert (row["run"], row["last_step"], row["loss"]) == ("killed", 149, 134.5)


@pytest.mark.parametrize("loader", LOADERS)
def test_the_next_writer_turns_it_into_records(folder: Path, loader: str) -> None:
    with SummaryWriter(folder) as writer:
        assert tails(folder) == []
        for step in range(150, 160):
            writer.add_diagnostics(loss=float(step), global_step=step)
    run = every(LOADERS[loader](str(folder.parent)))
    assert highest(run) == [*ALL, *((step, float(step)) for step in range(150, 160))]
    scalars = open_folder(str(folder.parent)).read_scalars(
        RequestContext(), experiment_id="", plugin_name="scalars", downsample=1000
    )
    assert [d.step for d in scalars["killed"]["loss/train"]][:5] == [39, 79, 119, 149, 150]


def test_a_resume_undoes_what_it_does_again(folder: Path) -> None:
    with SummaryWriter(folder) as writer:
        writer.add_diagnostics(loss=5.0, global_step=100)
    assert highest(read(folder.parent)) == [*ALL[:2], (100, 5.0)]


def test_purged_steps_are_not_taken_over(folder: Path) -> None:
    SummaryWriter(folder, purge_step=130).close()
    assert tails(folder) == []
    assert 149 not in read(folder.parent)[LOSS].steps


def test_what_reached_the_file_after_all_is_not_taken_twice(folder: Path) -> None:
    """Killed between two writes: the tail repeats what its event file has by now."""
    (tail,) = tails(folder)
    before = leftover.read(str(tail))
    assert before is not None
    (events,) = set(folder.iterdir()) - {tail}
    with events.open("ab") as file:
        file.write(repeated(before))
    with SummaryWriter(folder):
        pass
    assert highest(read(folder.parent)) == ALL
    found = open_folder(str(folder.parent)).list_tensors(
        RequestContext(), experiment_id="", plugin_name=PLUGIN
    )["killed"]
    for tag in found:
        steps = [d.step for d in values(folder, tag)]
        assert len(steps) == len(set(steps)), tag


CLOSED = KILLED.replace(
    "os.kill(",
    """
writer._diagnostics._hand.tail.keep = lambda now: True
for step in range(steps, steps + 30):
    writer.add_diagnostics(loss=float(step), global_step=step, walltime=1e9 + step)
writer._diagnostics._hand.drain()
writer._event_file.file_writer.flush()
os.kill(""",
)


def test_a_window_that_was_closed_after_all_is_not_taken_a_second_time(tmp_path: Path) -> None:
    """Killed after its record and before the next tail: the tail has the window as it was when it was open."""
    folder = tmp_path / "runs" / "killed"
    assert script(CLOSED, folder, 40, 150).code == -9
    whole = [(39, 39.0), (79, 79.0), (119, 119.0), (159, 159.0)]
    assert highest(read(folder.parent)) == whole
    time.sleep(1.1)  # as above
    SummaryWriter(folder).close()
    assert highest(read(folder.parent)) == whole
    scalars = open_folder(str(folder.parent)).read_scalars(
        RequestContext(), experiment_id="", plugin_name="scalars", downsample=1000
    )
    assert [d.step for d in scalars["killed"]["loss/train"]] == [39, 79, 119, 159]


def repeated(left: leftover.Leftover) -> bytes:
    from tb_lossdiag.recording.tail import _event  # noqa: PLC0415

    return b"".join(map(_event, left.events))


def values(folder: Path, tag: str) -> list[Any]:
    reader = Reader(open_folder(str(folder.parent)))
    return reader._data("killed", tag, RequestContext(), "") or []


def test_a_damaged_tail_is_nothing_and_goes(folder: Path) -> None:
    (tail,) = tails(folder)
    data = bytearray(tail.read_bytes())
    data[100:-4] = os.urandom(len(data) - 104)
    tail.write_bytes(data)
    assert highest(read(folder.parent)) == ALL[:3]
    SummaryWriter(folder).close()
    assert tails(folder) == []
    assert highest(read(folder.parent)) == ALL[:3]


def test_a_pipe_of_that_name_makes_nobody_wait(folder: Path) -> None:
    os.mkfifo(folder / "lossdiag.17.host.4.0.tail")
    assert highest(read(folder.parent)) == ALL


def test_a_run_of_which_only_a_tail_is_there_is_listed(tmp_path: Path) -> None:
    assert script(KILLED, tmp_path / "young", 1000, 30).code == -9
    assert highest(read(tmp_path)) == [(29, 29.0)]
    with SummaryWriter(tmp_path / "young") as writer:
        writer.add_diagnostics(loss=30.0, global_step=30)
    assert highest(read(tmp_path)) == [(29, 29.0), (30, 30.0)]


def test_closing_leaves_no_tail(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path) as writer:
        writer.add_diagnostics(loss=1.0, global_step=0)
        assert len(tails(tmp_path)) == 1
    assert tails(tmp_path) == []
    assert read(tmp_path)[LOSS].steps.tolist() == [0]


def test_a_full_machine_does_not_make_tails_rare(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That somebody else had the processor for 50 ms while one was written is no cost of ours."""
    with SummaryWriter(tmp_path) as writer:
        writer.add_diagnostics(loss=1.0, global_step=0)
        tail, write = writer._diagnostics._hand.tail, Tail._write
        written: list[float] = []

        def slow(self: Tail) -> None:
            written.append(time.monotonic())
            write(self)
            time.sleep(0.05)

        monkeypatch.setattr(Tail, "_write", slow)
        tail.keep(now=True)
        monkeypatch.setattr(time, "perf_counter", lambda now=time.perf_counter: now() + 9.0)
        tail.keep(now=False)
        assert len(written) == 2


def test_each_of_two_writers_has_its_own(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path) as one:
        one.add_diagnostics(loss=1.0, global_step=0)
        with SummaryWriter(tmp_path, filename_suffix=".other") as other:
            other.add_diagnostics(loss=2.0, phase="validation", global_step=0)
            assert len(tails(tmp_path)) == 2
        assert len(tails(tmp_path)) == 1
    assert tails(tmp_path) == []
    assert np.nanmax(read(tmp_path)[OTHER_WRITERS].values) == 1


def test_a_living_writer_is_read_up_to_its_newest_step(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path) as writer:
        writer._recorder.cadence.window = 100
        for step in range(50):
            writer.add_diagnostics(loss=float(step), global_step=step)
        writer._diagnostics._hand.tail.keep(now=True)
        assert highest(read(tmp_path)) == [(49, 49.0)]
        for step in range(50, 130):
            writer.add_diagnostics(loss=float(step), global_step=step)
        writer._diagnostics._hand.tail.keep(now=True)
        assert highest(read(tmp_path))[-1] == (129, 129.0)
    assert highest(read(tmp_path)) == [(99, 99.0), (129, 129.0)]


class Behind:
    """A provider that has not read the newest records yet."""

    def __init__(self, provider: Any, until: int) -> None:
        self._provider, self.until = provider, until

    def list_runs(self, *positional: Any, **named: Any) -> Any:
        return self._provider.list_runs(*positional, **named)

    def list_scalars(self, *_: Any, **__: Any) -> Any:
        return {}

    def list_tensors(self, *positional: Any, **named: Any) -> Any:
        found = self._provider.list_tensors(*positional, **named)
        return {
            run: {tag: self._cut(tag, entry) for tag, entry in tags.items()}
            for run, tags in found.items()
        }

    def read_tensors(self, *positional: Any, **named: Any) -> Any:
        found = self._provider.read_tensors(*positional, **named)
        return {
            run: {
                tag: [d for d in data if _fact(tag) or d.step <= self.until]
                for tag, data in tags.items()
            }
            for run, tags in found.items()
        }

    def _cut(self, tag: str, entry: Any) -> Any:
        last = entry.max_step if _fact(tag) else min(entry.max_step, self.until)
        return type(entry)(
            max_step=last,
            max_wall_time=entry.max_wall_time,
            plugin_content=entry.plugin_content,
            description="",
            display_name="",
        )


def _fact(tag: str) -> bool:
    parsed = parse_tag(tag)
    return parsed is not None and parsed.frame == "facts"


def test_a_tail_waits_for_the_records_before_it(folder: Path) -> None:
    """Else there would be a gap that looks like lost records."""
    tail = tails(folder)[0].rename(folder.parent / "aside")
    provider = Behind(open_folder(str(folder.parent)), 79)
    tail.rename(folder / tails_name(folder))
    reader = Reader(with_tails(provider, str(folder.parent), pause=0.0))

    def shown() -> list[tuple[int, float]]:
        return highest(reader.read(reader.listings()["killed"]))

    assert shown() == ALL[:2]
    provider.until = 200
    assert shown() == ALL


def tails_name(folder: Path) -> str:
    (events,) = folder.iterdir()
    return leftover.tail_path(events.name)


def test_a_remote_folder_has_none(tmp_path: Path) -> None:
    provider = open_folder(str(tmp_path))
    assert with_tails(provider, "s3://bucket") is provider
    assert with_tails(provider, "") is provider


def test_steps_are_counted_once(folder: Path) -> None:
    assert script(STEPPED, folder.parent / "stepped").code == -9
    run = Reader(open_folder(str(folder.parent)))
    found = run.read(run.listings()["stepped"])
    assert found[STEPS].values.sum() == found[STEPS].steps[-1] + 1


STEPPED = """
import os, sys, torch
from tb_lossdiag import SummaryWriter
net = torch.nn.Linear(2, 2); optimizer = torch.optim.SGD(net.parameters(), 1e-6)
writer = SummaryWriter(sys.argv[1]); writer.watch(net, optimizer, check_up=False)
writer._recorder.cadence.window = 32
for step in range(500):
    optimizer.zero_grad(); net(torch.ones(1, 2)).sum().backward(); optimizer.step()
os.kill(os.getpid(), 9)
"""
