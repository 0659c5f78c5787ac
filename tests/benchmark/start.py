"""What the plugin costs everybody who starts TensorBoard, and what it costs the first who opens the tab: `python tests/benchmark/start.py`.

Each number is the median of fresh processes that have imported all that TensorBoard imports itself. CPU time; exits with 1 over budget.
"""

from __future__ import annotations

import statistics
import subprocess
import sys

PROCESSES = 11
BUDGET = 100.0
"""Milliseconds of processor at TensorBoard's start."""
SCRIPT = """
import time
import tensorboard.default, tensorboard.program
from types import SimpleNamespace
context = SimpleNamespace(data_provider=None, logdir="", sampling_hints={}, flags=None)
began = time.process_time()
from tb_lossdiag.plugin.loader import LossDoctorLoader
plugin = LossDoctorLoader().load(context)
plugin.get_plugin_apps()
started = time.process_time()
plugin.routes
answering = time.process_time()
import tb_lossdiag.rules
judging = time.process_time()
print(started - began, answering - started, judging - answering)
"""


def main() -> int:
    """Measure and print."""
    rows = []
    for _ in range(PROCESSES):
        command = [sys.executable, "-c", SCRIPT]
        result = subprocess.run(command, capture_output=True, text=True, check=True)
        rows.append([1000 * float(seconds) for seconds in result.stdout.split()])
    start, answering, judging = (statistics.median(column) for column in zip(*rows, strict=True))
    print(f"TensorBoard's start {start:6.1f} of {BUDGET:.0f} ms")
    print(f"the first request   {answering:6.1f} ms")
    print(f"the first judgement {judging:6.1f} ms")
    return int(start > BUDGET)


if __name__ == "__main__":
    sys.exit(main())
