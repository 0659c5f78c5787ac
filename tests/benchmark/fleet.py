"""Many runs: how long it takes to judge 2,000 of them, to judge them again with one changed, and to ask the table: `python tests/benchmark/fleet.py`.

Of what is printed run by run, the first line and the whole: the newest runs come first, so the first line is that of the changed run.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from helpers.sweeps import write_sweep
from helpers.written_runs import write_run
from tb_lossdiag.quantities import LOSS
from tb_lossdiag.records import table

RUNS = 2000


def timed(what: str, *arguments: object) -> str:
    """Say how long a command takes, and until its first line; return that line."""
    before, began = os.times(), time.perf_counter()
    words = [sys.executable, "-m", "tb_lossdiag.cli", *map(str, arguments)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as child:
        assert child.stdout is not None
        line = child.stdout.readline().decode()
        first = time.perf_counter() - began if line else float("nan")
        child.stdout.read()
    assert child.returncode == 0, what
    took, after = time.perf_counter() - began, os.times()
    cpu = (
        after.children_user + after.children_system - before.children_user - before.children_system
    )
    print(f"{what:36} first line {first:6.2f} s, all {took:6.2f} s, processor {cpu:6.2f} s")
    return line


def changed(runs: Path, scale: float) -> None:
    """One run that has gone on."""
    curve = [scale / (step + 1) for step in range(200)]
    write_run(runs / "fresh", [table(LOSS, range(200), curve)])


def main(count: int) -> None:
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryDirectory() as place:
        os.environ["TB_LOSSDIAG_CACHE"] = f"{place}/cache"
        runs, file = Path(place, "runs"), Path(place, "runs.parquet")
        write_sweep(runs, count)
        time.sleep(3)  # a file that was written a moment ago is not taken as finished
        shown = ("check", runs, "--fail-on", "never")
        asked = (*shown, "--format", "parquet", "--output", file)
        timed(f"{count} runs", *shown)
        for index, (words, how) in enumerate([(shown, "printed"), (asked, "as a table")]):
            timed(f"again, nothing changed, {how}", *words)
            changed(runs, 1.0 + index)
            line = timed(f"again, one changed, {how}", *words)
            assert "fresh" in line or words is asked, line
        timed("which cause, since when, with what", "fleet", file)
        print(f"the table: {file.stat().st_size / count:.0f} bytes a run")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else RUNS)
