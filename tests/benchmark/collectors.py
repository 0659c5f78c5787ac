"""Each collector in passes over the gradients, and what a record costs to write: `python tests/benchmark/collectors.py`.

The unit is one reading of all gradients (`torch.dot` of one flat buffer with itself). Variants are interleaved, medians taken.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch.utils.tensorboard import SummaryWriter as Stock

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmark.timing import interleaved
from benchmark.workloads import WORKLOADS, Workload

from tb_lossdiag import SummaryWriter
from tb_lossdiag.collect.state.parameters import norms, parameters
from tb_lossdiag.collect.state.transfer import gather
from tb_lossdiag.collect.watch import updates
from tb_lossdiag.quantities import GRADIENT_NONFINITE, GRADIENT_NORM, PARAMETER_NORM
from tb_lossdiag.recording.event_file import EventFile
from tb_lossdiag.recording.journal import Journal
from tb_lossdiag.records import Record, frame_records

ROUNDS = 40
WIDTH, RECORDS = 200, 500


def medians(variants: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Median seconds of processor time, interleaved."""
    times = interleaved(variants, ROUNDS)
    return {name: statistics.median(values[2:]) for name, values in times.items()}


def collectors(work: Workload) -> None:
    """Print one workload's collectors."""
    work.backward()
    model = parameters(work.model)
    names, tensors = model.names, [p for p in model.tensors if p.grad is not None]
    grads = [p.grad for p in tensors if p.grad is not None]
    flat = torch.cat([g.reshape(-1) for g in grads])
    with tempfile.TemporaryDirectory() as folder, SummaryWriter(folder) as writer:
        found = medians(
            {
                "one pass": lambda: torch.dot(flat, flat),
                "norms of all gradients": lambda: norms(grads),
                "update: copy, and what changed": lambda: updates.Snapshot(tensors).norms(),
                "parameter norms": lambda: updates.weights(names, tensors),
                "largest element, zeros": lambda: gather(updates.elements(names, tensors).tensors),
                "writer.clip_grad_norm_": lambda: writer.clip_grad_norm_(tensors, 1e9),
                "torch's clip": lambda: torch.nn.utils.clip_grad_norm_(tensors, 1e9),
            }
        )
    unit = found["one pass"]
    print(f"{work.name}: one pass {1e3 * unit:.3f} ms")
    for name, seconds in found.items():
        print(f"  {name:32} {seconds / unit:7.1f}")


def writing() -> None:
    """Print what a record of `WIDTH` parameters costs, against as many scalars by TensorBoard's stock path."""
    names = tuple(f"layers.{i}.weight" for i in range(WIDTH))
    values = np.random.default_rng(0).random(WIDTH).astype(np.float32)
    quantities = (GRADIENT_NORM, GRADIENT_NONFINITE, PARAMETER_NORM)
    with tempfile.TemporaryDirectory() as folder:
        ours, stock = Path(folder, "ours"), Path(folder, "stock")
        start = time.process_time()
        with SummaryWriter(ours) as writer:
            event_file = EventFile()
            event_file.use(writer.file_writer)
            journal = Journal(event_file)
            for step in range(RECORDS):
                journal.add(
                    step, 1.0, frame_records([Record(q, names, values) for q in quantities])
                )
            journal.flush()
            event_file.commit()
        middle = time.process_time()
        with Stock(str(stock)) as plain:
            for step in range(RECORDS // 10):
                for name in names:
                    for quantity in quantities:
                        plain.add_scalar(f"{quantity.name}/{name}", 0.5, step)
        end = time.process_time()
        mine, theirs = (middle - start) / RECORDS, (end - middle) / (RECORDS // 10)
        size, plain_size = (sum(f.stat().st_size for f in p.iterdir()) for p in (ours, stock))
        numbers = WIDTH * len(quantities)
        print(f"a record of {WIDTH} parameters, {len(quantities)} numbers each:")
        print(
            f"  ours            {1e3 * mine:7.3f} ms, {size / RECORDS / numbers:5.2f} bytes a number"
        )
        print(
            f"  as scalars      {1e3 * theirs:7.3f} ms, "
            f"{plain_size / (RECORDS // 10) / numbers:5.2f} bytes a number"
        )


if __name__ == "__main__":
    torch.manual_seed(0)
    torch.set_num_threads(1)
    for make in WORKLOADS:
        collectors(make())
    writing()
