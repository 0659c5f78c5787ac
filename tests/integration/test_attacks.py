"""Log folders that nobody means to write: `check` answers, and the good run beside them is judged as ever."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from helpers import damaged_files, evil_folders
from helpers.tiny_trainings import record
from tb_lossdiag.cli import main

PATIENCE = 60
"""Seconds: no attack may hold an answer up; measured on a quiet machine all take less than five."""
Checked = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sound run."""
    folder = tmp_path_factory.mktemp("recorded") / "good"
    record(folder, range(60))
    return folder


@pytest.fixture
def check(capsys: pytest.CaptureFixture[str]) -> Callable[[Path], Checked]:
    """Check a folder: its entries by run."""

    def checked(logdir: Path) -> Checked:
        code = main(["check", str(logdir), "--format", "json"])
        told = capsys.readouterr()
        assert code in {0, 1, 2, 3}, told.err
        assert "Traceback" not in told.err
        return {entry["run"]: entry for entry in json.loads(told.out)["runs"]}

    return checked


@pytest.mark.parametrize("attack", evil_folders.ATTACKS)
def test_the_good_run_is_judged_beside_it(
    good: Path, tmp_path: Path, check: Callable[[Path], Checked], attack: str
) -> None:
    alone = check(good.parent)["good"]
    shutil.copytree(good, tmp_path / "good")
    evil_folders.ATTACKS[attack](tmp_path)
    began = time.monotonic()
    found = check(tmp_path)
    assert time.monotonic() - began < PATIENCE
    assert found["good"] == alone
    assert all(entry["problem"] for entry in found.values() if entry["status"] == "unreadable")
    assert main(["check", str(tmp_path), "--format", "sarif"]) in {0, 1, 2, 3}
    assert main(["check", str(tmp_path)]) in {0, 1, 2, 3}


def test_a_file_cut_at_any_boundary_is_what_stands_before_it(
    good: Path, tmp_path: Path, check: Callable[[Path], Checked]
) -> None:
    path = damaged_files.event_file(good)
    data = path.read_bytes()
    places = evil_folders.cuts(data)
    for place in places[:: max(1, len(places) // 150)]:
        (tmp_path / f"{place:08d}").mkdir()
        (tmp_path / f"{place:08d}" / path.name).write_bytes(data[:place])
    found = list(check(tmp_path).values())
    steps = [entry["steps"] for entry in found]
    assert steps == sorted(steps)
    assert {entry["status"] for entry in found if entry["steps"] < 10} == {"too early"}
    assert not any(entry["facts"].get("damaged") for entry in found)
