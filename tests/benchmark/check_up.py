"""Cost of a training step with a check-up in it, over the bare step: `python tests/benchmark/check_up.py`.

Steps are interleaved and medians taken, because machines are noisy. The transfer to the host is part of the cost. What single rules have recorded is
timed by itself: LD521's quarters of a diffusion's times in each check-up, LD717's question to a copy once in a training.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from helpers.probed import asked
from tb_lossdiag.collect.check_up import CheckUp, Subject
from tb_lossdiag.collect.check_up.loss.dials import dial_facts
from tb_lossdiag.collect.check_up.loss.loss_call import LossCall
from tb_lossdiag.collect.probes.document_leak import DocumentLeak
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


def times() -> None:
    """Print what it costs to sort the errors of 64 pictures by the time that the model was given."""
    answer, target = torch.randn(2, 64, 3, 32, 32)
    call, dial = LossCall("mse_loss", answer, target), (torch.randint(1000, (64,)), target.shape)
    took = [_seconds(lambda: dial_facts(call, [dial])) for _ in range(60)]
    print(f"times of a diffusion: {statistics.median(took) * 1e3:.2f} ms")


class Packed(Transformer):
    """Is told each token's place in its document, and does not listen."""

    def forward(self, tokens: Tensor, _: Tensor | None = None) -> Tensor:
        """Logits by place."""
        logits: Tensor = super().forward(tokens).unflatten(0, tokens.shape)
        return logits


def documents() -> None:
    """Print what it costs to rewrite a document and ask again, in forward passes."""
    model, tokens = Packed(), torch.randint(0, 1000, (8, 64))
    places = torch.arange(32).repeat(8, 2)
    forward, took = (
        statistics.median(_seconds(act) for _ in range(9))
        for act in (lambda: model(tokens), lambda: asked(DocumentLeak(), model, tokens, places))
    )
    print(
        f"documents of a row: {took / forward - 1:.1f} forward passes, once"
    )  # one is the helper's


def _seconds(act: Callable[[], object]) -> float:
    start = time.perf_counter()
    act()
    return time.perf_counter() - start


if __name__ == "__main__":
    torch.manual_seed(0)
    measure("small MLP", mlp(), (torch.randn(64, 32), torch.randint(0, 10, (64,))), 60)
    tokens = torch.randint(0, 1000, (8, 64))
    measure("12-layer transformer", Transformer(), (tokens, torch.randint(0, 1000, (512,))), 10)
    times()
    documents()
