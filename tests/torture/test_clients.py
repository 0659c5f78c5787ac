"""Many clients at once: every request is answered, and none with a failure."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from pathlib import Path

import pytest
from torture.conftest import Measured

from helpers.tensorboard_process import get, served
from helpers.written_runs import write_run
from made.healthy import healthy_run
from tb_lossdiag.quantities import GRADIENT_NORM, LOSS

ROUTES = ("runs", "diagnosis?run={run}", "report?run={run}&format=json")
RUNS = 10


def asked(address: str, clients: int, seconds: float) -> list[tuple[int, float]]:
    """Status and seconds of every answer that so many clients got, one request after the other each; 0 without an answer."""
    end = time.monotonic() + seconds

    def client(number: int) -> list[tuple[int, float]]:
        found = []
        while time.monotonic() < end:
            for route in ROUTES:
                begin = time.monotonic()
                found.append((_status(address, route, number), time.monotonic() - begin))
        return found

    with ThreadPoolExecutor(clients) as pool:
        return [one for found in pool.map(client, range(clients)) for one in found]


def _status(address: str, route: str, number: int) -> int:
    path = route.format(run=f"run{number % RUNS}")
    try:
        return get(f"{address}/data/plugin/lossdiag/{path}")[0]
    except (OSError, HTTPException):
        return 0


def load(folder: Path, clients: int, seconds: float, measured: Measured) -> list[int]:
    """Statuses other than 200 that the clients of a real TensorBoard got."""
    tables = healthy_run(layers=8).tables
    for number in range(RUNS):
        write_run(folder / f"run{number}", [tables[LOSS.name], tables[GRADIENT_NORM.name]])
    with served(str(folder)) as (address, _):
        found = asked(address, clients, seconds)
    bad = [status for status, _ in found if status != 200]
    longest, middle = max(s for _, s in found), sorted(s for _, s in found)[len(found) // 2]
    figure = f"median {middle:.1f} s, at most {longest:.1f} s"
    held = len(found) - len(bad)
    measured(f"{clients} clients on all routes", tried=len(found), held=held, figure=figure)
    return bad


def test_ten_clients_are_all_answered(tmp_path: Path, measured: Measured) -> None:
    assert load(tmp_path, 10, 2, measured) == []


@pytest.mark.torture
def test_a_hundred_clients_are_all_answered(tmp_path: Path, measured: Measured) -> None:
    assert load(tmp_path, 100, 30, measured) == []
