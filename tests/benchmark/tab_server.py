"""What the tab's benchmark measures of TensorBoard's server, without a browser: `tab.py` prints it beside its budgets."""

from __future__ import annotations

import json
import os
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np

from helpers.tensorboard_process import get


class Ledger:
    """Numbers beside their budgets."""

    def __init__(self) -> None:
        self.over = 0

    def add(self, name: str, value: float, budget: float, unit: str) -> None:
        """Print one number."""
        ok = value <= budget
        self.over += not ok
        print(f"  {'ok  ' if ok else 'OVER'} {name:58} {value:9.1f} of {budget:.0f} {unit}")

    def note(self, name: str, value: float, unit: str) -> None:
        """Print a number that has no budget."""
        print(f"       {name:58} {value:9.1f} {unit}")


def warm_up(base: str) -> None:
    """Ask until every run is read and judged."""
    for _ in range(600):
        runs = json.loads(get(f"{base}/runs")[1])["runs"]
        if runs and all(run["status"] != "reading" for run in runs):
            return
        time.sleep(0.3)
    raise RuntimeError("TensorBoard did not read the runs")


def settled(base: str, records: int) -> None:
    """Ask until the loader has everything."""
    for _ in range(900):
        runs = json.loads(get(f"{base}/runs")[1])["runs"]
        if runs and runs[0]["steps"] >= records:
            return
        time.sleep(0.5)
    raise RuntimeError("TensorBoard did not load the run")


def timed(address: str, repeat: int = 20) -> float:
    """Median milliseconds of a GET."""
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        get(address)
        times.append(time.perf_counter() - start)
    return 1000 * statistics.median(times)


def work(address: str, repeat: int = 100) -> float:
    """Milliseconds of processor that a GET costs TensorBoard and its data server."""
    before = _processor()
    for _ in range(repeat):
        get(address)
    return 1000 * (_processor() - before) / repeat


def _processor() -> float:
    """Seconds that TensorBoard and its data server have worked: they share a session, which a child of ours leads."""
    processes = list(_processes())
    sessions = {
        p["id"] for p in processes if p["parent"] == os.getpid() and p["id"] == p["session"]
    }
    ticks = sum(p["ticks"] for p in processes if p["session"] in sessions)
    return ticks / os.sysconf("SC_CLK_TCK")


def _processes() -> Iterator[dict[str, int]]:
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            yield {
                "id": int(stat.parent.name),
                "parent": int(fields[1]),
                "session": int(fields[3]),
                "ticks": int(fields[11]) + int(fields[12]),
            }


def measure_poll(base: str, runs: str, ledger: Ledger) -> None:
    """What the page asks while nothing is new."""
    state = json.loads(get(f"{base}/runs")[1])["state"]
    poll = f"{base}/runs?have={state}"
    ledger.add(f"poll of an unchanged folder, {runs}: work", work(poll), 5, "ms")
    ledger.note("  its time on the wire", timed(poll), "ms")
    own = base.partition("/data/")[0] + "/data/runs"
    ledger.note("  TensorBoard's own list of runs, for comparison", timed(own), "ms")


@contextmanager
def watched(address: str) -> Iterator[list[float]]:
    """Milliseconds of small requests of another plugin, made all the while."""
    times: list[float] = []
    done = threading.Event()

    def ask() -> None:
        while not done.is_set():
            start = time.perf_counter()
            get(address)
            times.append(1000 * (time.perf_counter() - start))
            done.wait(0.05)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield times
    finally:
        done.set()
        thread.join()


def stall(address: str) -> tuple[float, float]:
    """How much longer another tab waits while ours makes the server work on tables it has not made before: 95th percentile, and at most."""
    base = f"{address}/data/plugin/lossdiag"
    began = time.perf_counter()
    with watched(f"{address}/data/environment") as busy:
        for points in range(1190, 1196):
            get(f"{base}/table?run=big&quantity=gradient_norm&planes=matrix&points={points}")
            get(f"{base}/table?run=big&quantity=gradient_share&planes=matrix&points={points}")
    took = time.perf_counter() - began
    with watched(f"{address}/data/environment") as idle:
        time.sleep(max(took, 5.0))
    late = (float(np.percentile(times, 95)) for times in (busy, idle))
    return next(late) - next(late), max(busy) - max(idle)
