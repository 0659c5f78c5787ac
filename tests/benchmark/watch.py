"""What watching costs, as a share of the bare step: `python tests/benchmark/watch.py [--rounds N] [--only A]`.

Variants are whole trainings of the same workload, interleaved in short stretches. What counts is the processor time of all threads
of a stretch, so that other jobs on the machine disturb little; medians over the stretches.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmark.timing import interleaved
from benchmark.workloads import WORKLOADS, Workload

from tb_lossdiag import SummaryWriter

Step = Callable[[], object]
STRETCH = 16
_writers: list[SummaryWriter] = []


def bare(work: Workload) -> Step:
    """The training alone."""

    def step() -> None:
        work.backward()
        work.optimizer.step()

    return step


def clipped(work: Workload) -> Step:
    """The training with torch's own clip."""
    parameters = list(work.model.parameters())

    def step() -> None:
        work.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        work.optimizer.step()

    return step


def watched(folder: str, **options: object) -> Callable[[Workload], Step]:
    """Every step observed, the loss recorded."""

    def make(work: Workload) -> Step:
        writer = SummaryWriter(folder)
        _writers.append(writer)
        writer.watch(work.model, work.optimizer, **options)  # type: ignore[arg-type]

        def step() -> None:
            loss = work.backward()
            writer.add_diagnostics(loss=loss)
            work.optimizer.step()

        return step

    return make


def watched_and_clipped(folder: str) -> Callable[[Workload], Step]:
    """The same with the writer's clip."""

    def make(work: Workload) -> Step:
        writer = SummaryWriter(folder)
        _writers.append(writer)
        writer.watch(work.model, work.optimizer, check_up=False, activations=False)
        parameters = list(work.model.parameters())

        def step() -> None:
            loss = work.backward()
            writer.clip_grad_norm_(parameters, 1.0)
            writer.add_diagnostics(loss=loss)
            work.optimizer.step()

        return step

    return make


def measure(make: Callable[[], Workload], rounds: int) -> dict[str, tuple[float, float]]:
    """Median and mean seconds of a step, by variant."""
    with tempfile.TemporaryDirectory() as folder:
        variants: dict[str, Callable[[Workload], Step]] = {
            "bare": bare,
            "watch": watched(f"{folder}/a", check_up=False, activations=False),
            "watch, check-ups": watched(f"{folder}/b"),
            "watch, every=100": watched(f"{folder}/c", every=100),
            "torch's clip": clipped,
            "watch, writer's clip": watched_and_clipped(f"{folder}/d"),
        }
        steps = {}
        for name, variant in variants.items():
            torch.manual_seed(0)
            steps[name] = variant(make())
        times = interleaved(steps, rounds + 1, stretch=STRETCH)
        for writer in _writers:
            writer.close()
        _writers.clear()
    return {  # the first stretch warms up
        name: (statistics.median(values[1:]), statistics.fmean(values[1:]))
        for name, values in times.items()
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=64)
    parser.add_argument("--only", default="")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for make in WORKLOADS:
        name = make().name
        if not name.startswith(arguments.only):
            continue
        found = measure(make, arguments.rounds)
        base = {"torch": found["torch's clip"], "bare": found["bare"]}
        print(f"{name}: bare step {1e3 * found['bare'][0]:.2f} ms")
        for variant, (median, mean) in found.items():
            against = base["torch" if "writer's" in variant else "bare"]
            print(
                f"  {variant:24} median {100 * (median / against[0] - 1):+6.1f} %"
                f"  mean {100 * (mean / against[1] - 1):+6.1f} %"
            )


if __name__ == "__main__":
    main()
