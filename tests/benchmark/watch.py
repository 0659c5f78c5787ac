"""What watching adds to a step: `python tests/benchmark/watch.py [--rounds N] [--only A] [--way loss] [--first] [--save]`.

The method is `toggled`'s. "one pass" is the least that seeing every gradient at every step can cost, nothing recorded: their norms as the
product takes them, in hooks of one call. What `watch` adds beyond it is its own. `--first` warms nothing up: the first steps of a training,
with all check-ups that they bring. `--save` notes medians in `measured.json`, from which the READMEs' costs are made.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmark import measured
from benchmark.toggled import Cost, Look, Way, measure, nothing
from benchmark.workloads import WORKLOADS, Workload

from tb_lossdiag import SummaryWriter
from tb_lossdiag.collect.watch.gauge import Gauge

Make = Callable[[Workload], Way]
ROUNDS = {"A": 50, "B": 14, "B2": 12, "C": 30}
PLAIN: dict[str, Any] = {"check_up": False, "activations": False}
CLIPS = ("torch's clip", "writer's clip", "writer's clip, watched")


def watched(
    folder: str,
    *,
    loss: bool = True,
    terms: bool = False,
    numbered: bool = False,
    **options: Any,
) -> Make:
    """Every step observed."""

    def make(work: Workload) -> Way:
        writer = SummaryWriter(tempfile.mkdtemp(dir=folder))
        writer.watch(work.model, work.optimizer, scaler=work.scaler, **options)
        numbers = count()

        def before(value: Tensor) -> None:
            parts = {"a": value.detach(), "b": (value.detach(), 0.5)} if terms else None
            step = next(numbers) if numbered else None
            writer.add_diagnostics(loss=value, loss_terms=parts, global_step=step)

        return Way(before if loss else nothing, close=writer.close)

    return make


def one_pass(work: Workload) -> Way:
    """Gradients are read, and that is all."""
    gauge = Gauge(list(work.model.parameters()))
    optimizer = work.optimizer

    def read(*_: object) -> None:
        gauge.norms()

    optimizer.register_step_pre_hook(read)
    optimizer.register_step_post_hook(lambda *_: gauge.over())
    return Way()


def torch_clips(work: Workload) -> Look:
    """Torch's own clip."""
    parameters = list(work.model.parameters())
    return lambda _: nn.utils.clip_grad_norm_(parameters, 1.0)


def writer_clips(folder: str, *, watch: bool) -> Make:
    """The writer's clip."""

    def make(work: Workload) -> Way:
        writer = SummaryWriter(tempfile.mkdtemp(dir=folder))
        parameters = list(work.model.parameters())
        if watch:
            writer.watch(work.model, work.optimizer, **PLAIN)
        return Way(lambda _: writer.clip_grad_norm_(parameters, 1.0), close=writer.close)

    return make


def ways(folder: str) -> dict[str, Make]:
    """What is measured, by name."""
    return {
        "one pass": one_pass,
        "watch": watched(folder, loss=False, **PLAIN),
        "watch, loss": watched(folder, **PLAIN),
        "watch, loss, two terms": watched(folder, terms=True, **PLAIN),
        "defaults": watched(folder),
        "every=100": watched(folder, every=100, **PLAIN),
        "torch's clip": lambda work: Way(torch_clips(work)),
        "writer's clip": writer_clips(folder, watch=False),
        "writer's clip, watched": writer_clips(folder, watch=True),
    }


def cost(make_work: Callable[[], Workload], make: Make, name: str, options: Any) -> Cost:
    """Measure one way on one workload. The writer's clip is compared with torch's, which stands in its place without it."""
    torch.manual_seed(0)
    work = make_work()
    if options.first:
        work = replace(work, warm=0)
    rounds = options.rounds or ROUNDS[work.letter]
    if options.first:
        rounds = min(rounds, 1000 // (2 * work.stretch))
    bare = torch_clips(work) if name.startswith("writer's") else nothing
    return measure(work, make, rounds, bare=bare)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=0)
    parser.add_argument("--only", default="")
    parser.add_argument("--way", default="")
    parser.add_argument("--first", action="store_true")
    parser.add_argument("--save", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    for make_work in WORKLOADS:
        letter = make_work().letter
        if options.only not in {"", letter}:
            continue
        print(make_work().name, flush=True)
        with tempfile.TemporaryDirectory() as folder:
            for name, make in ways(folder).items():
                if options.way in {"", name}:
                    found = cost(make_work, make, name, options)
                    against = ", against torch's" if name.startswith("writer's") else ""
                    print(f"  {name + against:34} {found}", flush=True)
                    if options.save and not options.first:
                        measured.note(letter, name, found)


if __name__ == "__main__":
    main()
