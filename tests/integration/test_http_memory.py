"""What the server keeps: once, whatever the experiment is called; bounded; and not what was deleted."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.plugins import base_plugin
from werkzeug.test import Client

from helpers.tensorboard_process import get, served
from helpers.written_runs import write_run
from tb_lossdiag.plugin.plugin import LossDoctorPlugin
from tb_lossdiag.quantities import GRADIENT_NORM, LOSS
from tb_lossdiag.reader import open_folder
from tb_lossdiag.records import table

LAYERS = [f"blocks.{index}.weight" for index in range(50)]


def _write(logdir: Path, runs: int, records: int = 200) -> None:
    generator, steps = np.random.default_rng(0), np.arange(records)
    for index in range(runs):
        norms = generator.lognormal(0, 0.1, (records, len(LAYERS)))
        losses = table(LOSS, steps, generator.lognormal(0, 0.1, records))
        write_run(logdir / f"run {index}", [losses, table(GRADIENT_NORM, steps, norms, LAYERS)])


class _Elsewhere:
    """A provider that is none of TensorBoard's own: each of its experiments may hold something else."""

    def __init__(self, provider: MultiplexerDataProvider) -> None:
        self._provider = provider
        self.read: list[str] = []
        self.gone = False

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if not name.startswith(("list_", "read_")):
            raise AttributeError(name)

        def ask(*args: Any, **kwargs: Any) -> Any:
            if name == "read_tensors":
                self.read.append(kwargs["experiment_id"])
            return {} if self.gone else getattr(self._provider, name)(*args, **kwargs)

        return ask


class _Server:
    """The plugin's routes without a server around them."""

    def __init__(self, provider: Any, **flags: int) -> None:
        made = type("Flags", (), {"grpc_data_provider": "", **flags})()
        context = base_plugin.TBContext(data_provider=provider, logdir="", flags=made)
        self.plugin = LossDoctorPlugin(context)

    def get(self, route: str, experiment: str = "") -> Any:
        client: Any = Client(self.plugin.get_plugin_apps()[route])
        return client.get(route, headers={"Tensorboard-Experiment-Id": experiment})

    @property
    def size(self) -> int:
        return self.plugin.routes.backend._runs.size


def test_every_id_is_the_same_folder_to_tensorboards_own_loaders(tmp_path: Path) -> None:
    _write(tmp_path, 3)
    multiplexer = EventMultiplexer(tensor_size_guidance={"lossdiag": 0})
    multiplexer.AddRunsFromDirectory(str(tmp_path)).Reload()
    provider = MultiplexerDataProvider(multiplexer, str(tmp_path))
    server = _Server(provider)
    first = server.get("/diagnosis", "x0").data
    size = server.size
    assert all(server.get("/diagnosis", f"x{index}").data == first for index in range(40))
    assert server.size == size


def test_experiments_of_another_provider_share_one_bound(tmp_path: Path) -> None:
    _write(tmp_path, 3)
    provider = _Elsewhere(open_folder(str(tmp_path)))
    server = _Server(provider, lossdiag_memory=2)
    sizes = []
    for index in range(40):
        assert server.get("/diagnosis", f"x{index}").status_code == 200
        sizes.append(server.size)
    assert set(provider.read) == {f"x{index}" for index in range(40)}
    assert max(sizes) <= 1.5 * 2**20
    state = server.plugin.routes.backend._configuration.now()
    assert len(state.reader._kept) < 20, "the reader lets go of them too"
    server.get("/diagnosis", "x39")
    provider.gone = True
    server.get("/diagnosis", "x39")
    assert ("x39", "run 0") not in state.reader._kept


def test_a_run_that_made_room_keeps_its_row_and_is_read_again_when_asked_for(
    tmp_path: Path,
) -> None:
    _write(tmp_path, 12)
    provider = _Elsewhere(open_folder(str(tmp_path)))
    server = _Server(provider, lossdiag_memory=1)
    while not (answer := server.get("/runs").get_json())["state"]:
        pass
    count = len(provider.read)
    assert server.get("/runs").get_json()["runs"] == answer["runs"]
    assert len(provider.read) == count
    whole = server.get("/diagnosis").get_json()["runs"]
    assert [run["run"] for run in whole] == [run["run"] for run in answer["runs"]]
    assert len(provider.read) > count
    assert server.size <= 2**20


def _resident(process: int) -> int:
    text = Path(f"/proc/{process}/statm").read_text(encoding="ascii")
    return int(text.split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read from /proc")
@pytest.mark.parametrize("fast", ["true", "false"], ids=["rust", "python"])
def test_forty_fresh_ids_take_no_memory(tmp_path: Path, fast: str) -> None:
    _write(tmp_path, 10)
    with served(str(tmp_path), "--load_fast", fast) as (address, process):
        route = "data/plugin/lossdiag/diagnosis"
        for index in range(60):
            if len(get(f"{address}/experiment/warm{index}/{route}")[1]) > 100_000:
                break
        for _ in range(5):
            get(f"{address}/{route}")
        before = _resident(process)
        answers = {get(f"{address}/experiment/x{index}/{route}") for index in range(40)}
        assert {status for status, _ in answers} == {200}
        assert _resident(process) - before < 8 * 2**20
