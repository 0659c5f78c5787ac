"""Mutated event files: every route answers, `check` tells no traceback, and the good run beside them is judged as ever."""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from integration.loaders import rust
from tensorboard import errors
from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from torture.conftest import Measured
from werkzeug.test import Client

from helpers import damaged_files, mutations
from helpers.tiny_trainings import record
from tb_lossdiag import SummaryWriter
from tb_lossdiag.cli import main
from tb_lossdiag.plugin.plugin import LossDoctorPlugin

BATCH = 50
"""Files that lie beside each other."""
FEW = 250
"""Files of the ordinary tests."""
MANY = int(os.environ.get("LOSSDIAG_FUZZ", "5000"))
"""Files of the torture; a million before a release."""
_SOME = 40
"""One table or comparison in so many is asked for: listing all runs for each is what takes time."""
ROUTES = ("/runs", "/diagnosis", "/report", "/report?format=csv", "/report?format=json")
Records = list[bytes]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No configuration of this repository's is read, as each question does anew."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A run by hand, a watched one with a resume, and one of plain scalars."""
    folder = tmp_path_factory.mktemp("recorded")
    record(folder / "good", range(30))
    record(folder / "resumed", range(20))
    record(folder / "resumed", range(10, 40))
    with SummaryWriter(folder / "scalars") as writer:
        for step in range(40):
            writer.add_scalar("train/loss", 1 / (1 + step), step)
            writer.add_scalar("train/lr", 0.1, step)
    return {place.name: place for place in folder.iterdir()}


def _records(folder: Path) -> Records:
    return [data for path in sorted(folder.iterdir()) for data in damaged_files.payloads(path)]


def _batches(recorded: dict[str, Path], logdir: Path, count: int) -> Iterator[int]:
    """Folders of mutated files beside the good run, one after the other; yields the number of the first file."""
    seeds = [_records(folder) for folder in recorded.values()]
    for begin in range(0, count, BATCH):
        shutil.rmtree(logdir, ignore_errors=True)
        shutil.copytree(recorded["good"], logdir / "good")
        for number in range(begin, begin + BATCH):
            chance = random.Random(number)  # noqa: S311  (no secret)
            (logdir / f"{number:07d}").mkdir()
            data = mutations.mutated(chance.choice(seeds), chance)
            (logdir / f"{number:07d}" / "events.out.tfevents.1.fuzz").write_bytes(data)
        yield begin


def _python(logdir: Path) -> Any:
    """TensorBoard's own Python loader; a run at which it gives up is TensorBoard's own affair."""
    multiplexer = EventMultiplexer(tensor_size_guidance={"lossdiag": 0, "scalars": 0})
    multiplexer.AddRunsFromDirectory(str(logdir))
    for run in multiplexer.Runs():
        with suppress(Exception):
            multiplexer.GetAccumulator(run).Reload()
    return MultiplexerDataProvider(multiplexer, str(logdir))


class _Tab:
    """The plugin's routes over a provider."""

    def __init__(self, provider: Any, logdir: Path) -> None:
        context = SimpleNamespace(
            data_provider=provider, logdir=str(logdir), sampling_hints={}, flags=None
        )
        self._apps = LossDoctorPlugin(context).get_plugin_apps()

    def get(self, route: str, **query: str) -> Any:
        """Status and body; what TensorBoard answers with 4xx is None."""
        path, _, more = route.partition("?")
        try:
            answer: Any = Client(self._apps[path]).get("/", query_string={**_parsed(more), **query})
        except errors.PublicError:
            return None
        assert answer.status_code < 500, answer.text
        return answer


def _parsed(query: str) -> dict[str, str]:
    return dict(part.split("=") for part in query.split("&")) if query else {}


def _look(tab: _Tab, names: list[str]) -> None:
    """Ask everything; the good run is served."""
    for route in ROUTES:
        assert tab.get(route) is not None
    rows = _rows(tab)
    while any(row["status"] == "reading" for row in rows.values()):
        rows = _rows(tab)
    assert rows["good"]["status"] not in {"unreadable", "reading"}
    for place, (name, row) in enumerate(rows.items()):
        for quantity in row["quantities"][place % _SOME :: _SOME]:
            tab.get("/table", run=name, quantity=quantity)
    for a, b in list(pairwise(names))[::_SOME]:
        tab.get("/compare", a=a, b=b)


def _rows(tab: _Tab) -> dict[str, Any]:
    answer = tab.get("/runs").get_json()
    rows = {row["run"]: row for row in answer["runs"]}
    return {
        run: {**row, "quantities": answer["recorded"][row["quantities"]]}
        for run, row in rows.items()
    }


def _checked(logdir: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    assert main(["check", str(logdir), "--format", "json"]) in {0, 1, 2}
    told = capsys.readouterr()
    assert "Traceback" not in told.err
    return {entry["run"]: entry for entry in json.loads(told.out)["runs"]}


def _attack(
    recorded: dict[str, Path],
    logdir: Path,
    count: int,
    capsys: pytest.CaptureFixture[str],
    load: Callable[[Path], Any],
) -> int:
    """How many files were read."""
    alone = None
    for begin in _batches(recorded, logdir, count):
        found = _checked(logdir, capsys)
        alone = alone or found["good"]
        assert found["good"] == alone, begin
        failed = [o for e in found.values() for o in e["outcomes"] if o["outcome"] == "failed"]
        assert not failed, begin
        _look(_Tab(load(logdir), logdir), list(found))
    return count


def test_mutated_files_cost_only_themselves(
    recorded: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _attack(recorded, tmp_path / "runs", FEW, capsys, _python)


@pytest.mark.torture
@pytest.mark.parametrize("loader", ["python", "rust"])
def test_many_mutated_files_cost_only_themselves(
    recorded: dict[str, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    measured: Measured,
    loader: str,
) -> None:
    load = _python if loader == "python" else lambda logdir: rust(str(logdir))
    count = MANY if loader == "python" else min(MANY, 500)
    held = _attack(recorded, tmp_path / "runs", count, capsys, load)
    measured(f"mutated event files, all routes, {loader} loader", tried=count, held=held)
