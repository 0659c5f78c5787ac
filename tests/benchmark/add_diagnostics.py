"""Cost of `add_diagnostics` and of clipping, as ratios inside one run: `python tests/benchmark/add_diagnostics.py`.

The unit is one `torch._foreach_norm` over the gradients. Variants are interleaved and medians taken, because machines are noisy.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmark.timing import interleaved

from tb_lossdiag import SummaryWriter

ROUNDS = 200


def transformer() -> nn.Module:
    """About 150 tensors, 20 million parameters."""
    layer = nn.TransformerEncoderLayer(384, 6, 1536, batch_first=True)
    return nn.Sequential(
        nn.Embedding(2000, 384), nn.TransformerEncoder(layer, 12, enable_nested_tensor=False)
    )


def small() -> nn.Module:
    """150 tensors of 64 elements: all cost is per tensor."""
    return nn.Sequential(*(nn.Linear(7, 7) for _ in range(75)))


def medians(variants: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Median seconds of each variant, interleaved."""
    times = interleaved(variants, ROUNDS, clock=time.perf_counter)
    return {name: statistics.median(values) for name, values in times.items()}


def measure(name: str, model: nn.Module, folder: str) -> None:
    """Print one model's ratios."""
    parameters = list(model.parameters())
    for parameter in parameters:
        parameter.grad = torch.randn_like(parameter)
    grads = [p.grad for p in parameters if p.grad is not None]
    optimizer = torch.optim.SGD(parameters, lr=0.1)
    loss, steps = torch.tensor(1.0), iter(range(10**9))
    with SummaryWriter(f"{folder}/{name}", scalars=False) as writer:
        found = medians(
            {
                "one _foreach_norm pass": lambda: torch._foreach_norm(grads),
                "add_diagnostics(model, loss)": lambda: writer.add_diagnostics(
                    model, loss=loss, global_step=next(steps)
                ),
                "add_diagnostics(model, optimizer, loss)": lambda: writer.add_diagnostics(
                    model, optimizer=optimizer, loss=loss, global_step=next(steps)
                ),
                "torch clip_grad_norm_": lambda: nn.utils.clip_grad_norm_(parameters, 1e9),
                "writer.clip_grad_norm_": lambda: writer.clip_grad_norm_(parameters, 1e9),
                "naive norm().item() loop": lambda: [float(g.norm()) for g in grads],
            }
        )
    unit = found["one _foreach_norm pass"]
    print(f"{name}: {len(parameters)} tensors, unit {unit * 1e3:.3f} ms")
    for variant, seconds in found.items():
        print(f"  {variant:42} {seconds / unit:6.2f}x")
    size = sum(f.stat().st_size for f in Path(folder, name).iterdir())
    records = 2 * ROUNDS
    print(
        f"  bytes per record {size / records:.0f} ({size / records / len(parameters) / 3:.2f} per value)"
    )


if __name__ == "__main__":
    torch.manual_seed(0)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as root:
        measure("transformer", transformer(), root)
        measure("small", small(), root)
