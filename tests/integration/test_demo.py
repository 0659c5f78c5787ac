"""Every demo training gets the diagnosis it stands for, and no other warning."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tb_lossdiag.cli import main
from tb_lossdiag.demo import SCENARIOS

NO_TORCH = """
import sys
sys.modules["torch"] = None
import tb_lossdiag.demo
"""


@pytest.fixture
def diagnosis(demo_logdir: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """The entry of each run."""
    assert main(["check", str(demo_logdir), "--format", "json"]) == 1
    document = json.loads(capsys.readouterr().out)
    return {run["run"]: run for run in document["runs"]}


def test_each_run_is_named_for_its_cause(diagnosis: dict[str, Any]) -> None:
    found = {
        name: tuple(f["code"] for f in run["findings"] if f["severity"] != "info")
        for name, run in diagnosis.items()
    }
    assert found == {scenario.name: scenario.expected for scenario in SCENARIOS}


def test_no_rule_fails(diagnosis: dict[str, Any]) -> None:
    outcomes = [outcome for run in diagnosis.values() for outcome in run["outcomes"]]
    assert [outcome for outcome in outcomes if outcome["outcome"] == "failed"] == []


def test_an_earlier_demo_is_replaced_and_other_files_are_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    assert main(["demo", "--logdir", str(tmp_path)]) == 2
    assert "thesis.txt" in capsys.readouterr().err
    assert (tmp_path / "thesis.txt").read_text() == "mine"


def test_the_list_of_scenarios_needs_no_torch() -> None:
    subprocess.run([sys.executable, "-c", NO_TORCH], check=True)


@pytest.mark.parametrize("name", [scenario.name for scenario in SCENARIOS])
def test_a_scenario_is_short_enough_to_read(name: str) -> None:
    file = Path(__file__).parents[2] / "tb_lossdiag" / "demo" / f"{name}.py"
    assert len(file.read_text().splitlines()) < 60
