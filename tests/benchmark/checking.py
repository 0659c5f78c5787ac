"""What `tb-lossdiag check` costs, read for the first time and again: `python tests/benchmark/checking.py [--only big]`.

Processor time is the child's own; when its first line was there is wall time. Exits with 1 over budget.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from tensorboard.compat.proto import event_pb2, summary_pb2

from helpers.written_runs import write_run
from tb_lossdiag.quantities import GRADIENT_NONFINITE, GRADIENT_NORM, LOSS
from tb_lossdiag.records import table
from tb_lossdiag.wire.framing import framed

Value = summary_pb2.Summary.Value


def big(folder: Path) -> None:
    """10,000 records of 1,000 parameters."""
    steps, names = np.arange(10_000), [f"blocks.{index}.weight" for index in range(1000)]
    norms = np.random.default_rng(0).lognormal(-2, 0.3, (10_000, 1000)).astype(np.float32)
    curve = np.exp(-steps / 3000) + 0.1
    parts = table(GRADIENT_NORM, steps, norms, names), table(LOSS, steps, curve)
    write_run(folder / "run", [*parts, table(GRADIENT_NONFINITE, steps, 0 * norms, names)])


def many(folder: Path) -> None:
    """300 runs of 200 records."""
    chance, steps = np.random.default_rng(0), np.arange(200)
    for index in range(300):
        norms = table(GRADIENT_NORM, steps, chance.lognormal(0, 0.2, (200, 6)), list("abcdef"))
        losses = table(LOSS, steps, np.exp(-steps / 60) + 0.1 * chance.random(200))
        write_run(folder / f"run{index:03}", [losses, norms])


def plain(folder: Path) -> None:
    """25 runs of 20 tags of 10,000 plain scalars."""
    chance, tags = np.random.default_rng(0), ["loss/train", *(f"metric/{n}" for n in range(19))]
    for index in range(25):
        curves = 2 * np.exp(-np.arange(10_000) / 3000) + 0.05 * chance.random((20, 10_000))
        run = folder / f"run{index}"
        run.mkdir()
        with (run / "events.out.tfevents.1.made").open("wb") as file:
            for step, row in enumerate(curves.T.tolist()):
                values = [Value(tag=t, simple_value=v) for t, v in zip(tags, row, strict=True)]
                event = event_pb2.Event(step=step, wall_time=1.7e9 + step)
                event.summary.value.extend(values)
                file.write(framed(event.SerializeToString()))


BUDGETS: dict[str, tuple[Callable[[Path], None], float]] = {
    "big": (big, 2.5),
    "many": (many, 5.0),
    "plain": (plain, 8.0),
}
"""Seconds of processor."""


def check(folder: Path) -> tuple[float, str]:
    """Processor time of one check, and all that is to be said of it."""
    command = [sys.executable, "-m", "tb_lossdiag.cli", "check", str(folder)]
    began = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as child:
        assert child.stdout is not None
        child.stdout.readline()
        first = time.perf_counter() - began
        child.stdout.read()
        whole = time.perf_counter() - began
        _, _, used = os.wait4(child.pid, 0)
        child.returncode = 0
    spent = used.ru_utime + used.ru_stime
    said = f"processor {spent:5.2f} s  wall {whole:5.2f} s  first line {first:5.2f} s"
    return spent, said


def main() -> int:
    """Write, check twice, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", choices=("", *BUDGETS))
    only, over = parser.parse_args().only, False
    for name, (write, budget) in BUDGETS.items():
        if only not in {"", name}:
            continue
        with tempfile.TemporaryDirectory() as place:
            os.environ["TB_LOSSDIAG_CACHE"] = f"{place}/caches"
            runs = Path(place, "runs")
            runs.mkdir()
            write(runs)
            time.sleep(2.5)  # what was written just now is not kept
            for when in ("first", "again"):
                spent, said = check(runs)
                over |= spent > budget
                print(f"{name:6} {when}  {said}  of {budget:.1f}", flush=True)
    return int(over)


if __name__ == "__main__":
    sys.exit(main())
