"""Cost of a training step with a check-up in it, over the bare step: `python tests/benchmark/check_up.py`.

Steps are interleaved and medians taken, because machines are noisy. The transfer to the host is part of the cost.
"""

from __future__ import annotations

import statistics
import time

import torch
from torch import Tensor, nn
from torch.nn import functional

from tb_lossdiag.collect.check_up import CheckUp, Subject
from tb_lossdiag.collect.state.transfer import gather


class Transformer(nn.Module):
    """Twelve layers over tokens."""

    def __init__(self) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(256, 4, 1024, batch_first=True)
        self.embedding = nn.Embedding(1000, 256)
        self.encoder = nn.TransformerEncoder(layer, 12, enable_nested_tensor=False)
        self.head = nn.Linear(256, 1000)

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits by token."""
        logits: Tensor = self.head(self.encoder(self.embedding(tokens)))
        return logits.flatten(0, 1)


def mlp() -> nn.Module:
    """Three layers; nearly all cost is per call."""
    return nn.Sequential(
        nn.Linear(32, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10)
    )


def step(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    batch: tuple[Tensor, Tensor],
    check_up: CheckUp | None,
) -> float:
    """Seconds of one step."""
    start = time.perf_counter()
    if check_up:
        check_up.begin()
    optimizer.zero_grad()
    functional.cross_entropy(model(batch[0]), batch[1]).backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    if check_up:
        check_up.before_step()
    optimizer.step()
    for sample in check_up.after_step() if check_up else ():
        sample.finish(gather(sample.tensors) if sample.tensors else [])
    return time.perf_counter() - start


def measure(name: str, model: nn.Module, batch: tuple[Tensor, Tensor], rounds: int) -> None:
    """Print one model's ratio."""
    optimizer = torch.optim.AdamW(model.parameters())
    check_up = CheckUp(Subject("", model, optimizer))
    times: dict[bool, list[float]] = {False: [], True: []}
    for _ in range(rounds):
        for observed, values in times.items():
            values.append(step(model, optimizer, batch, check_up if observed else None))
    bare, seen = (statistics.median(times[key][2:]) for key in (False, True))
    print(f"{name}: bare step {bare * 1e3:.2f} ms, with a check-up {seen / bare:.2f} times that")


if __name__ == "__main__":
    torch.manual_seed(0)
    measure("small MLP", mlp(), (torch.randn(64, 32), torch.randint(0, 10, (64,))), 60)
    tokens = torch.randint(0, 1000, (8, 64))
    measure("12-layer transformer", Transformer(), (tokens, torch.randint(0, 1000, (512,))), 10)
