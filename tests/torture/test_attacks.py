"""The attacks of `tests/helpers/evil_folders.py` in a real TensorBoard under both of its loaders: the good run is served."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from torture.conftest import Measured

from helpers import evil_folders
from helpers.tensorboard_process import get, serving
from helpers.tiny_trainings import record

ROUTES = ("runs", "diagnosis", "report?format=md", "report?format=csv", "report?format=json")
_PATIENCE = 30
"""Seconds for TensorBoard to read the runs."""


def _served(logdir: Path, attack: str, fast: str) -> bool | None:
    """Whether every route answers and the good run is in it; None if TensorBoard itself ends, or lists no good run."""
    record(logdir / "good", range(30))
    evil_folders.ATTACKS[attack](logdir)
    try:
        with serving(str(logdir), "--load_fast", fast) as address:
            if not _listed(address):
                return None
            return all(_answers(f"{address}/data/plugin/lossdiag/{route}") for route in ROUTES)
    except (OSError, RuntimeError):  # the process is gone
        return None


def _listed(address: str) -> bool:
    """Whether TensorBoard has read the good run before patience ends."""
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end:
        status, body = get(f"{address}/data/plugin/scalars/tags")
        if status == 200 and json.loads(body).get("good"):
            return True
        time.sleep(0.5)
    return False


def _answers(address: str) -> bool:
    """Whether a route tells of the good run before patience ends."""
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end:
        status, body = get(address)
        if status != 200:
            return False
        if b"good" in body:
            return True
        time.sleep(0.5)
    return False


@pytest.mark.torture
@pytest.mark.parametrize("fast", ["true", "false"], ids=["rust", "python"])
@pytest.mark.parametrize("attack", evil_folders.ATTACKS)
def test_the_good_run_is_served(tmp_path: Path, measured: Measured, attack: str, fast: str) -> None:
    served = _served(tmp_path, attack, fast)
    if served is not None:
        loader = "data server" if fast == "true" else "Python loader"
        what = f"hostile folders, {loader}: every route answers, good run served"
        measured(what, tried=1, held=int(served))
    assert served is not False
