"""The trainings that costs are measured on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import cycle

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

BATCHES = 8


@dataclass
class Workload:
    """A model, its optimizer and some batches.

    Attributes:
        name: letter and words.
        model: what is trained.
        optimizer: its optimizer.
        losses: forward passes, each on a batch of its own.
        stretch: steps that are timed in a row.
        warm: steps until recording has found its pace.
        scaler: scales its losses, None without.
    """

    name: str
    model: nn.Module
    optimizer: torch.optim.Optimizer
    losses: Sequence[Callable[[], Tensor]]
    stretch: int
    warm: int
    scaler: torch.amp.GradScaler | None = None

    @property
    def letter(self) -> str:
        """The beginning of its name."""
        return self.name.partition(":")[0]

    def __post_init__(self) -> None:
        """Begin with the first batch."""
        self._next = cycle(self.losses)

    def backward(self) -> Tensor:
        """Forward and backward pass on the next batch."""
        self.optimizer.zero_grad()
        loss = next(self._next)()
        scaled = loss if self.scaler is None else self.scaler.scale(loss)
        scaled.backward()
        return loss

    def step(self) -> None:
        """The optimizer's step, by the scaler if there is one."""
        if self.scaler is None:
            self.optimizer.step()
            return
        self.scaler.step(self.optimizer)
        self.scaler.update()


class Block(nn.Module):
    """A residual block of a ResNet."""

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        stride = 1 if channels == out else 2
        self.first = nn.Conv2d(channels, out, 3, stride, 1, bias=False)
        self.norm = nn.BatchNorm2d(out)
        self.second = nn.Conv2d(out, out, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(out)
        self.skip = (
            nn.Conv2d(channels, out, 1, stride, bias=False) if stride == 2 else nn.Identity()
        )

    def forward(self, x: Tensor) -> Tensor:
        """Two convolutions and the way around them."""
        y: Tensor = self.norm2(self.second(torch.relu(self.norm(self.first(x)))))
        return torch.relu(y + self.skip(x))


class Residual(nn.Module):
    """A small layer beside its input."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm, self.linear = nn.LayerNorm(width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """The input and a little more."""
        more: Tensor = self.linear(self.norm(x))
        return x + 0.1 * torch.relu(more)


def mlp() -> Workload:
    """A: 6 tensors, 0.5 MB, a step of about a millisecond."""
    layers = nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 10)
    batches = [torch.randn(64, 256) for _ in range(BATCHES)]
    return _workload("A: MLP", nn.Sequential(*layers), batches, stretch=64, warm=1500)


def transformer() -> Workload:
    """B: 148 tensors, 42 MB."""
    layer = nn.TransformerEncoderLayer(256, 4, 1024, batch_first=True, dropout=0.0)
    model = nn.Sequential(
        nn.Embedding(1000, 256),
        nn.TransformerEncoder(layer, 12, enable_nested_tensor=False),
        nn.Flatten(0, 1),
        nn.LayerNorm(256),
        nn.Linear(256, 1000, bias=False),
    )
    batches = [torch.randint(1000, (4, 64)) for _ in range(BATCHES)]
    return _workload("B: transformer", model, batches, stretch=2, warm=8, next_tokens=True)


def resnet() -> Workload:
    """B2: 62 tensors, 45 MB."""
    sizes = [
        (64, 64),
        (64, 64),
        (64, 128),
        (128, 128),
        (128, 256),
        (256, 256),
        (256, 512),
        (512, 512),
    ]
    blocks = [Block(channels, out) for channels, out in sizes]
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 10)]
    stem = [nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64), nn.ReLU()]
    batches = [torch.randn(8, 3, 32, 32) for _ in range(BATCHES)]
    model = nn.Sequential(*stem, *blocks, *head)
    return _workload("B2: ResNet", model, batches, stretch=2, warm=6)


def many() -> Workload:
    """C: 1,284 small tensors, 1.4 MB."""
    layers = [Residual(32) for _ in range(320)]
    model = nn.Sequential(nn.Linear(32, 32), *layers, nn.Linear(32, 10))
    batches = [torch.randn(32, 32) for _ in range(BATCHES)]
    return _workload("C: 1,284 tensors", model, batches, stretch=4, warm=40)


WORKLOADS: Sequence[Callable[[], Workload]] = (mlp, transformer, resnet, many)


def _workload(
    name: str,
    model: nn.Module,
    batches: Sequence[Tensor],
    *,
    stretch: int,
    warm: int,
    next_tokens: bool = False,
) -> Workload:
    def loss(batch: Tensor) -> Callable[[], Tensor]:
        targets = batch.roll(-1, 1).flatten() if next_tokens else torch.randint(10, (len(batch),))
        return lambda: cross_entropy(model(batch), targets)

    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    return Workload(name, model, optimizer, [loss(batch) for batch in batches], stretch, warm)
