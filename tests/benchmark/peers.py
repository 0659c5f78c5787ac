"""What users do today against `watch`, at every step: `python tests/benchmark/peers.py [--rounds N] [--only A]`.

Peers are installed from PyPI into an environment of their own (`build/peers`), in which this script starts itself again. All variants
are whole trainings of one workload, interleaved in short stretches; processor time of all threads, medians over the stretches.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
HOME = ROOT / "build" / "peers"
PYTHON = HOME / "bin" / "python"
PACKAGES = ("torch", "tensorboard", "google-crc32c", "rich", "wandb", "torchmortem", "lightning")
STRETCH = 8


def install() -> None:
    """The environment, once."""
    if PYTHON.exists():
        return
    subprocess.run([sys.executable, "-m", "venv", str(HOME)], check=True)
    constraints = ROOT / "tests" / "constraints.txt"
    pip = [str(PYTHON), "-m", "pip", "install", "-q", "-c", str(constraints)]
    subprocess.run([*pip, *PACKAGES], check=True)


def variants(folder: str) -> dict[str, Callable[[Any], Callable[[], object]]]:
    """By name: how to make a training's step."""
    from benchmark import peers_steps as steps  # noqa: PLC0415  (its imports exist in the peers' environment only)

    return {
        "bare": steps.bare,
        "watch": lambda work: steps.watched(work, f"{folder}/watch"),
        "naive .item() loop": lambda work: steps.naive(work, f"{folder}/naive"),
        "add_histogram": lambda work: steps.histograms(work, f"{folder}/histograms"),
        "Lightning grad_norm": lambda work: steps.lightning(work, f"{folder}/lightning"),
        "wandb.watch, offline": lambda work: steps.wandb(work, f"{folder}/wandb"),
        "torchmortem": steps.torchmortem,
    }


def close() -> None:
    """Close what the variants have opened."""
    from benchmark import peers_steps  # noqa: PLC0415

    for writer in peers_steps.WRITERS:
        writer.close()
    peers_steps.WRITERS.clear()


def measure(make: Callable[[], Any], rounds: int) -> dict[str, float]:
    """Median seconds of a step, by variant."""
    import torch  # noqa: PLC0415
    from benchmark.timing import interleaved  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as folder:
        steps = {}
        for name, variant in variants(folder).items():
            torch.manual_seed(0)
            steps[name] = variant(make())
        times = interleaved(steps, rounds + 1, stretch=STRETCH)
        close()
    return {name: statistics.median(values[1:]) for name, values in times.items()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=24)
    parser.add_argument("--only", default="")
    arguments = parser.parse_args()
    if Path(sys.prefix) != HOME:
        install()
        path = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
        command = [str(PYTHON), str(Path(__file__).resolve()), *sys.argv[1:]]
        # In its own folder: torchmortem leaves a report where it runs.
        done = subprocess.run(
            command, cwd=HOME, env={**os.environ, "PYTHONPATH": path}, check=False
        )
        sys.exit(done.returncode)
    import torch  # noqa: PLC0415
    from benchmark.workloads import WORKLOADS  # noqa: PLC0415

    torch.set_num_threads(1)
    for make in WORKLOADS:
        if not (name := make().name).startswith(arguments.only):
            continue
        found = measure(make, arguments.rounds)
        bare = found.pop("bare")
        ours = found["watch"] - bare
        print(f"{name}: bare step {1e3 * bare:.2f} ms")
        for variant, seconds in found.items():
            print(
                f"  {variant:22} {100 * (seconds / bare - 1):+8.1f} % of a step"
                f"  {(seconds - bare) / ours:7.1f} times watch"
            )


if __name__ == "__main__":
    main()
