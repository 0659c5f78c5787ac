"""TensorBoard starts for everybody, so it starts without what only those need who open the tab."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from helpers.written_runs import write_run
from tb_lossdiag import quantities as q
from tb_lossdiag.plugin.plugin import ROUTES, LossDoctorPlugin
from tb_lossdiag.reader import open_folder
from tb_lossdiag.records import table

SCRIPT = """
import json, sys
from types import SimpleNamespace
from werkzeug.test import Client
from tb_lossdiag.plugin.loader import LossDoctorLoader
from tb_lossdiag.reader import open_folder

def imported():
    ours = {".".join(name.split(".")[:2]) for name in sys.modules if name.startswith("tb_lossdiag.")}
    return sorted(ours | {"rich"} & set(sys.modules))

provider = open_folder(sys.argv[1])
context = SimpleNamespace(data_provider=provider, logdir=sys.argv[1], sampling_hints={}, flags=None)
plugin = LossDoctorLoader().load(context)
apps = plugin.get_plugin_apps()
plugin.frontend_metadata(), plugin.is_active()
seen = {"start": imported()}
for path, query in (("/index.js", {}), ("/table", {"run": "run", "quantity": "loss"}), ("/runs", {})):
    answer = Client(apps[path]).get("/", query_string=query)
    assert answer.status_code == 200, answer.text
    seen[path] = imported()
print(json.dumps(seen))
"""


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Which packages are imported at each stage."""
    folder = tmp_path_factory.mktemp("runs")
    write_run(folder / "run", [table(q.LOSS, range(30), [1.0] * 30)])
    command = [sys.executable, "-c", SCRIPT, str(folder)]
    result = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    stages: dict[str, list[str]] = json.loads(result.stdout)
    return stages


@pytest.mark.parametrize("stage", ["start", "/index.js"])
def test_tensorboard_starts_without_what_judges(seen: dict[str, list[str]], stage: str) -> None:
    judging = {"analysis", "config", "diagnosis", "report", "rules"}
    assert not {f"tb_lossdiag.{name}" for name in judging} & set(seen[stage])
    assert "rich" not in seen[stage]


def test_a_table_imports_no_rule(seen: dict[str, list[str]]) -> None:
    assert "tb_lossdiag.rules" not in seen["/table"]
    assert "tb_lossdiag.rules" in seen["/runs"]


def test_the_routes_that_are_announced_are_those_that_answer(tmp_path: Path) -> None:
    provider = open_folder(str(tmp_path))
    context = SimpleNamespace(data_provider=provider, logdir="", sampling_hints={}, flags=None)
    plugin = LossDoctorPlugin(context)
    assert tuple(plugin.routes.handlers) == ROUTES
    assert plugin.routes is plugin.routes
