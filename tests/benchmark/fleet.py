"""Many runs: how long it takes to write 2,000 of them, to judge them, to judge them again with one changed, and to ask the table."""

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


def timed(what: str, *arguments: object) -> None:
    began, before = time.perf_counter(), os.times()
    words = [sys.executable, "-m", "tb_lossdiag.cli", *map(str, arguments)]
    subprocess.run(words, check=True, capture_output=True)
    after = os.times()
    cpu = (
        after.children_user + after.children_system - before.children_user - before.children_system
    )
    print(f"{what:40} {time.perf_counter() - began:7.2f} s, processor {cpu:7.2f} s", flush=True)


def main(count: int) -> None:
    with tempfile.TemporaryDirectory() as place:
        os.environ["TB_LOSSDIAG_CACHE"] = f"{place}/cache"
        runs, file = Path(place, "runs"), Path(place, "runs.parquet")
        write_sweep(runs, count)
        time.sleep(3)  # a file that was written a moment ago is not taken as finished
        asked = ("check", runs, "--fail-on", "never", "--format", "parquet", "--output", file)
        timed(f"{count} runs judged", *asked)
        timed("again, nothing changed", *asked)
        write_run(runs / "fresh", [table(LOSS, range(200), [1.0 / (i + 1) for i in range(200)])])
        timed("again, one run more", *asked)
        timed("which cause, since when, with what", "fleet", file)
        print(f"the table: {file.stat().st_size / count:.0f} bytes a run")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else RUNS)
