"""One folder, several writers: everything recorded is shown, and what a later one really did again is counted. Under both loaders."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from integration.loaders import LOADERS

from helpers.tiny_trainings import backward, model
from tb_lossdiag import SummaryWriter
from tb_lossdiag.collect.buffers import outlet
from tb_lossdiag.reader import Reader
from tb_lossdiag.run import Restart, Run

Case = Callable[[Path], None]
Runs = dict[str, Run]
CASES: dict[str, Case] = {}
_OPEN: list[SummaryWriter] = []
"""Writers that nobody closes, kept from being forgotten."""


def case(make: Case) -> Case:
    """A way to use one folder, under its function's name."""
    CASES[make.__name__] = make
    return make


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All of them, written once."""
    folder = tmp_path_factory.mktemp("runs")
    for name, make in CASES.items():
        make(folder / name)
    return folder


@pytest.fixture(scope="module", params=LOADERS)
def runs(request: pytest.FixtureRequest, folder: Path) -> Runs:
    """As each of TensorBoard's loaders shows them."""
    reader = Reader(LOADERS[request.param](str(folder)))
    return {name: reader.read(listing) for name, listing in reader.listings().items()}


def log(writer: SummaryWriter, steps: Iterable[int], more: float = 0.0) -> None:
    for step in steps:
        writer.add_diagnostics(loss=more + step, global_step=step)


def steps(run: Run, quantity: str = "loss") -> list[int]:
    found: list[int] = run.tables[quantity].steps.tolist() if quantity in run.tables else []
    return found


def values(run: Run, quantity: str = "loss", column: str = "") -> list[float]:
    found: list[float] = run.tables[quantity].column(column).tolist()
    return found


def restarts(run: Run) -> list[tuple[str, int, int]]:
    return [(r.kind, r.step, r.undone) for r in run.restarts]


@contextmanager
def clock(monkeypatch: pytest.MonkeyPatch, shift: float) -> Iterator[None]:
    """A clock that is so many seconds ahead."""
    now, now_ns = time.time, time.time_ns
    with monkeypatch.context() as patch:
        patch.setattr(time, "time", lambda: now() + shift)
        patch.setattr(time, "time_ns", lambda: now_ns() + int(shift * 1e9))
        yield


# --- one after the other -------------------------------------------------------------------------------------------------


@case
def resumed_where_it_ended(folder: Path) -> None:
    for part in (range(20), range(20, 40)):
        with SummaryWriter(folder) as writer:
            log(writer, part)


@case
def closed(folder: Path) -> None:
    """A training that came to its end."""
    with SummaryWriter(folder) as writer:
        log(writer, range(3))


@case
def goes_on_after_closing(folder: Path) -> None:
    """It was closed, and somebody records on."""
    closed(folder)
    time.sleep(0.01)
    writer = SummaryWriter(folder)
    log(writer, range(3, 5))
    writer.flush()
    _OPEN.append(writer)


def test_a_run_is_closed_once_nothing_was_recorded_after_that(runs: Runs) -> None:
    newest = {
        name: runs[name].tables["loss"].walltimes[-1]
        for name in ("closed", "goes_on_after_closing")
    }
    ended = {name: newest[name] <= (runs[name].closed or 0.0) for name in newest}
    assert ended == {"closed": True, "goes_on_after_closing": False}


def test_a_session_that_goes_on_undoes_nothing(runs: Runs) -> None:
    run = runs["resumed_where_it_ended"]
    assert steps(run) == list(range(40))
    assert restarts(run) == [("resumed", 20, 0)]


@case
def resumed_at_an_earlier_step(folder: Path) -> None:
    for part in (range(20), range(12, 15), range(15, 25)):
        with SummaryWriter(folder) as writer:
            log(writer, part, 100.0 * part[0])


def test_what_was_done_again_is_counted(runs: Runs) -> None:
    run = runs["resumed_at_an_earlier_step"]
    assert steps(run) == list(range(25))
    assert values(run)[11:16] == [11.0, 1212.0, 1213.0, 1214.0, 1515.0]
    assert restarts(run) == [("resumed", 12, 8), ("resumed", 15, 0)]


@case
def validated_and_then_resumed(folder: Path) -> None:
    with SummaryWriter(folder) as writer:
        for step in range(30):
            log(writer, [step])
            if step % 10 == 9:
                writer.add_diagnostics(loss=1.0, phase="validation", global_step=step)
    with SummaryWriter(folder) as writer:
        log(writer, range(12, 25))
        writer.add_diagnostics(loss=2.0, phase="validation", global_step=24)


def test_a_frame_is_undone_from_its_own_first_record_on(runs: Runs) -> None:
    run = runs["validated_and_then_resumed"]
    assert steps(run) == list(range(25))
    assert steps(run, "validation_loss") == [9, 19, 24]
    assert values(run, "validation_loss") == [1.0, 1.0, 2.0]
    assert restarts(run) == [("resumed", 12, 18)]


@case
def tested_afterwards(folder: Path) -> None:
    with SummaryWriter(folder) as writer:
        for step in range(30):
            writer.add_diagnostics(loss=1.0, extra={"reward": step}, global_step=step)
    with SummaryWriter(folder) as writer:
        writer.add_diagnostics(extra={"test_accuracy": 0.9}, global_step=0)


def test_a_script_that_adds_one_number_hides_nothing(runs: Runs) -> None:
    run = runs["tested_afterwards"]
    assert steps(run) == steps(run, "extra") == list(range(30))
    assert values(run, "extra", "reward") == list(range(30))
    assert values(run, "extra", "test_accuracy")[0] == pytest.approx(0.9)
    assert restarts(run) == []


@case
def purged(folder: Path) -> None:
    for first in (0, 3):
        time.sleep(
            1.1 * (first > 0)
        )  # TensorBoard purges in the order of the files' names, which have seconds
        with SummaryWriter(folder, purge_step=first) as writer:
            for step in range(first, 40 if first == 0 else 20):
                terms = {f"t{step // 10}": 1.0}
                writer.add_diagnostics(
                    loss=100.0 * first + step,
                    loss_terms=terms,
                    extra={f"e{step // 8}": 0},
                    global_step=step,
                )


def test_a_purge_leaves_the_same_under_both_loaders(runs: Runs) -> None:
    run = runs["purged"]
    assert steps(run) == steps(run, "loss_term") == steps(run, "extra") == list(range(20))
    assert values(run)[2:4] == [2.0, 303.0]
    assert restarts(run) == [("resumed", 3, 0)]


# --- resumed, with the steps of a watch ----------------------------------------------------------------------------------

Name = Callable[[SummaryWriter, torch.Tensor, int], None]


def train(folder: Path, steps: Iterable[int], before: Name, after: Name, **writer: Any) -> None:
    """One session: `before` and `after` are called around each step of the optimizer."""
    net = model()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    with SummaryWriter(folder, **writer) as out:
        out.watch(net, optimizer)
        for step in steps:
            loss = backward(net, step)
            before(out, loss, step)
            optimizer.step()
            after(out, loss, step)


def nothing(_: SummaryWriter, __: torch.Tensor, ___: int) -> None:
    pass


def named(writer: SummaryWriter, loss: torch.Tensor, step: int) -> None:
    writer.add_diagnostics(loss=loss, global_step=step)


def tenth(writer: SummaryWriter, loss: torch.Tensor, step: int) -> None:
    if step % 10 == 9:
        named(writer, loss, step)


def unnamed(writer: SummaryWriter, loss: torch.Tensor, _: int) -> None:
    writer.add_diagnostics(loss=loss)


WAYS: dict[str, tuple[Name, Name]] = {
    "before": (named, nothing),
    "after": (nothing, named),
    "tenth_before": (tenth, nothing),
    "tenth_after": (nothing, tenth),
    "unnamed": (unnamed, nothing),
    "never": (nothing, nothing),
}


@contextmanager
def slow_steps() -> Iterator[None]:
    """As if each took longer than anything waits for the file."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(outlet, "_LONGEST", -1.0)
        yield


def resume(way: str, *parts: range) -> Case:
    def make(folder: Path) -> None:
        with slow_steps():
            for part in parts:
                train(folder, part, *WAYS[way])

    return make


for _way in WAYS:
    CASES[f"resumed_{_way}"] = resume(_way, range(64), range(64, 128))
    if _way not in {"unnamed", "never"}:
        CASES[f"redone_{_way}"] = resume(_way, range(100), range(70, 128))
        CASES[f"taken_over_{_way}"] = resume(_way, range(70, 128))


@pytest.mark.parametrize("way", WAYS)
def test_a_resumed_watch_goes_on_however_its_steps_are_named(way: str, runs: Runs) -> None:
    run = runs[f"resumed_{way}"]
    for quantity in ("gradient_norm", "steps", "learning_rate"):
        assert steps(run, quantity) == list(range(128))
    assert restarts(run) == [("resumed", 64, 0)]
    for name, table in run.tables.items():
        assert table.steps[0] < 64 <= table.steps[-1], name
    if way == "tenth_after":
        assert steps(run) == list(range(9, 128, 10))


@pytest.mark.parametrize("way", [way for way in WAYS if way not in {"unnamed", "never"}])
def test_a_checkpoint_before_the_end_undoes_what_came_after_it(way: str, runs: Runs) -> None:
    run = runs[f"redone_{way}"]
    assert steps(run, "gradient_norm") == steps(run, "steps") == list(range(128))
    assert restarts(run) == [("resumed", 70, 30)]
    run = runs[f"taken_over_{way}"]
    assert steps(run, "gradient_norm") == steps(run, "steps") == list(range(70, 128))
    assert min(table.steps[0] for table in run.tables.values()) == 70


# --- clocks --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", [20, 12])
@pytest.mark.parametrize("loader", LOADERS)
def test_a_clock_that_is_behind_decides_nothing(
    loader: str, first: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with SummaryWriter(tmp_path / "run") as writer:
        log(writer, range(20))
    with clock(monkeypatch, -3600), SummaryWriter(tmp_path / "run") as writer:
        log(writer, range(first, 40), 100.0)
    reader = Reader(LOADERS[loader](str(tmp_path)))
    run = reader.read(reader.listings()["run"])
    assert steps(run) == list(range(40))
    assert values(run)[first - 1 : first + 1] == [first - 1, 100.0 + first]
    assert restarts(run) == [("resumed", first, 20 - first)]


def test_a_clock_set_back_while_the_training_goes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with SummaryWriter(tmp_path / "run") as writer:
        log(writer, range(20))
        with clock(monkeypatch, -3600):
            log(writer, range(10, 40), 100.0)
    reader = Reader(LOADERS["python"](str(tmp_path)))
    run = reader.read(reader.listings()["run"])
    assert steps(run) == list(range(40))
    assert values(run)[9:11] == [9.0, 110.0]
    assert restarts(run) == [("went back", 10, 10)]


@pytest.mark.parametrize("back", [3])
def test_a_training_that_goes_back_by_less_than_a_record_covers(tmp_path: Path, back: int) -> None:
    """Records of the end cover several steps by then; none of those that were done again stands beside what took its place."""
    count, more = 20_000, 1e6
    with SummaryWriter(tmp_path / "run") as writer:
        log(writer, range(count))
        log(writer, range(count - back, count + 3000), more)
    reader = Reader(LOADERS["python"](str(tmp_path)))
    run = reader.read(reader.listings()["run"])
    width = max(b - a for a, b in pairwise(steps(run)))
    assert width > 1
    pairs = zip(steps(run), values(run), strict=True)
    old = [step for step, value in pairs if value < more]
    assert count - back - 2 * width <= old[-1] < count - back
    ((kind, where, undone),) = restarts(run)
    assert (kind, where) == ("went back", count - back)
    assert 1 <= undone <= back + 2


# --- at the same time ----------------------------------------------------------------------------------------------------


@case
def validated_by_another_writer(folder: Path) -> None:
    with SummaryWriter(folder) as a, SummaryWriter(folder) as b:
        for step in range(30):
            log(a, [step])
            if step % 10 == 0:
                b.add_diagnostics(loss=50.0, phase="validation", global_step=step)


@case
def joined_later_by_another_writer(folder: Path) -> None:
    with SummaryWriter(folder) as a:
        log(a, range(100))
        a.flush()
        with SummaryWriter(folder) as b:
            for step in range(100, 200):
                log(a, [step])
                b.add_diagnostics(extra={"x": step}, global_step=step)


def test_writers_that_are_open_at_once_are_both_shown(runs: Runs) -> None:
    run = runs["validated_by_another_writer"]
    assert steps(run) == list(range(30))
    assert steps(run, "validation_loss") == [0, 10, 20]
    assert restarts(run) == []
    run = runs["joined_later_by_another_writer"]
    assert steps(run) == list(range(200))
    assert steps(run, "extra") == list(range(100, 200))
    assert restarts(run) == []


@case
def two_halves_at_once(folder: Path) -> None:
    """Of even and odd steps, and step 50 by both."""
    with SummaryWriter(folder) as a, SummaryWriter(folder) as b:
        for step in range(100):
            log(a if step % 2 else b, [step])
            if step == 50:
                log(a, [step], 1000.0)


def test_writers_of_the_same_frame_fill_each_others_gaps(runs: Runs) -> None:
    run = runs["two_halves_at_once"]
    assert steps(run) == list(range(100))
    assert restarts(run) == [("beside", 0, 1)]


@case
def resumed_after_two_at_once(folder: Path) -> None:
    validated_by_another_writer(folder)
    with SummaryWriter(folder) as a:
        log(a, range(15, 40), 100.0)


def test_a_resume_undoes_its_own_frames_of_all_earlier_writers(runs: Runs) -> None:
    run = runs["resumed_after_two_at_once"]
    assert steps(run) == list(range(40))
    assert values(run)[14:16] == [14.0, 115.0]
    assert steps(run, "validation_loss") == [0, 10, 20]
    assert restarts(run) == [("resumed", 15, 15)]


# --- within one writer ---------------------------------------------------------------------------------------------------


@case
def closed_and_used_again(folder: Path) -> None:
    writer = SummaryWriter(folder)
    for part in (range(10), range(10, 20)):
        log(writer, part)
        writer.close()


def test_a_writer_that_opens_again_goes_on(runs: Runs) -> None:
    run = runs["closed_and_used_again"]
    assert steps(run) == list(range(20))
    assert restarts(run) == []


@case
def went_back(folder: Path) -> None:
    with SummaryWriter(folder) as writer:
        log(writer, (0, 1, 2, 3, 1, 2))


def test_going_back_in_one_writer_is_counted(runs: Runs) -> None:
    run = runs["went_back"]
    assert steps(run) == [0, 1, 2]
    assert restarts(run) == [("went back", 1, 3)]


def epochs(name: Name, *, load: bool = False) -> Case:
    """Three of thirty steps, numbered from 0 in each."""

    def make(folder: Path) -> None:
        net = model()
        optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
        saved = optimizer.state_dict()
        with SummaryWriter(folder) as out:
            out.watch(net, optimizer)
            for _ in range(3):
                if load:
                    optimizer.load_state_dict(saved)
                for step in range(30):
                    loss = backward(net, step)
                    optimizer.step()
                    name(out, loss, step)
                out.add_diagnostics(loss=1.0, phase="validation", global_step=29)

    return make


CASES["epochs"] = epochs(named)
CASES["epochs_tenth"] = epochs(tenth)
CASES["epochs_reloaded"] = epochs(named, load=True)


@case
def epochs_without_a_watch(folder: Path) -> None:
    with SummaryWriter(folder) as writer:
        for _ in range(3):
            log(writer, range(30))


@pytest.mark.parametrize("name", ["epochs", "epochs_tenth", "epochs_without_a_watch"])
def test_numbers_that_begin_again_each_epoch_are_one_count(name: str, runs: Runs) -> None:
    run = runs[name]
    assert steps(run) == list(range(9, 90, 10) if name == "epochs_tenth" else range(90))
    first = 9 if name == "epochs_tenth" else 0
    assert restarts(run) == [("renumbered", 30 + first, 0), ("renumbered", 60 + first, 0)]
    assert [r.named for r in run.restarts] == [first, first]
    if name != "epochs_without_a_watch":
        assert steps(run, "gradient_norm") == list(range(90))
        assert steps(run, "validation_loss") == [29, 59, 89]


def test_a_checkpoint_that_was_loaded_undoes_what_came_after_it(runs: Runs) -> None:
    run = runs["epochs_reloaded"]
    assert steps(run) == steps(run, "gradient_norm") == list(range(30))
    assert [(r.kind, r.step) for r in run.restarts] == [("went back", 0)] * 2
    assert all(
        r.undone >= 30 for r in run.restarts
    )  # and sparse records that the second epoch did not repeat


def test_a_rule_sees_the_restarts(runs: Runs) -> None:
    run = runs["resumed_at_an_earlier_step"]
    (first, _) = run.restricted([run.tables["loss"].quantity]).restarts
    assert isinstance(first, Restart)
    assert first.walltime == run.tables["loss"].walltimes[12]
