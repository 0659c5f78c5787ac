"""The trainings that costs are measured on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy


@dataclass(frozen=True)
class Workload:
    """A model, its optimizer and one batch.

    Attributes:
        name: letter and words.
        model: what is trained.
        optimizer: its optimizer.
        loss: forward pass on the batch.
    """

    name: str
    model: nn.Module
    optimizer: torch.optim.Optimizer
    loss: Callable[[], Tensor]

    def backward(self) -> Tensor:
        """Forward and backward pass."""
        self.optimizer.zero_grad()
        loss = self.loss()
        loss.backward()
        return loss


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


def mlp() -> Workload:
    """A: 6 tensors, a step of one or two milliseconds."""
    model = nn.Sequential(
        nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 10)
    )
    return _workload("A: MLP", model, torch.randn(128, 64))


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
    tokens = torch.randint(1000, (4, 64))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    targets = tokens.roll(-1, 1).flatten()
    return Workload(
        "B: transformer", model, optimizer, lambda: cross_entropy(model(tokens), targets)
    )


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
    return _workload("B2: ResNet", nn.Sequential(*stem, *blocks, *head), torch.randn(8, 3, 32, 32))


def many() -> Workload:
    """C: 1,284 small tensors."""
    layers: list[nn.Module] = [nn.Linear(16, 16) for _ in range(642)]
    model = nn.Sequential(*(nn.Sequential(layer, nn.Tanh()) for layer in layers))
    return _workload("C: 1,284 tensors", model, torch.randn(64, 16), classes=16)


WORKLOADS: Sequence[Callable[[], Workload]] = (mlp, transformer, resnet, many)


def _workload(name: str, model: nn.Module, batch: Tensor, classes: int = 10) -> Workload:
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)
    targets = torch.randint(classes, (len(batch),))
    return Workload(name, model, optimizer, lambda: cross_entropy(model(batch), targets))
