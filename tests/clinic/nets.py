"""Small models of every family, as people write them."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn

Activation = Callable[[], nn.Module]


def mlp(*sizes: int, activation: Activation = nn.ReLU) -> nn.Sequential:
    """Linear layers of these sizes with an activation between."""
    layers: list[nn.Module] = []
    for before, after in pairwise(sizes):
        layers += [nn.Linear(before, after), activation()]
    return nn.Sequential(*layers[:-1])


def linears(model: nn.Module) -> list[nn.Linear]:
    """Its linear layers, in order."""
    return [module for module in model.modules() if isinstance(module, nn.Linear)]


def cnn(activation: Activation = nn.ReLU, *, outputs: int = 10) -> nn.Sequential:
    """Two convolutions over images of 8 x 8 pixels."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        activation(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1),
        activation(),
        nn.Flatten(),
        nn.Linear(512, outputs),
    )


class Recurrent(nn.Module):
    """Reads a sequence and answers with its last state, or at each step."""

    def __init__(
        self,
        cell: Callable[..., nn.RNNBase] = nn.GRU,
        inputs: int = 8,
        outputs: int = 10,
        *,
        each: bool = False,
    ) -> None:
        super().__init__()
        self.rnn = cell(inputs, 32, batch_first=True)
        self.head = nn.Linear(32, outputs)
        self.each = each

    def forward(self, x: Tensor) -> Tensor:
        states: Tensor = self.rnn(x)[0]
        answer: Tensor = self.head(states if self.each else states[:, -1])
        return answer


class Transformer(nn.Module):
    """Attends over the eight rows of a digit."""

    def __init__(self, layers: int = 2, outputs: int = 10, dropout: float = 0.0) -> None:
        super().__init__()
        self.embed = nn.Linear(8, 32)
        self.place = nn.Parameter(torch.randn(8, 32) * 0.02)
        block = nn.TransformerEncoderLayer(32, 4, 64, dropout, batch_first=True, norm_first=True)
        self.blocks = nn.TransformerEncoder(block, layers, enable_nested_tensor=False)
        self.head = nn.Linear(32, outputs)

    def forward(self, x: Tensor) -> Tensor:
        answer: Tensor = self.head(self.blocks(self.embed(x) + self.place).mean(1))
        return answer


class Code(NamedTuple):
    """What a variational autoencoder makes of a batch."""

    image: Tensor
    mean: Tensor
    log_variance: Tensor

    def divergence(self) -> Tensor:
        """KL divergence from the prior, per image."""
        spread = self.log_variance
        return (0.5 * (self.mean**2 + spread.exp() - 1 - spread)).sum(1).mean()


class VAE(nn.Module):
    """64 pixels, a code of 8 numbers, 64 pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = mlp(64, 64, 16)
        self.decoder = mlp(8, 64, 64)

    def forward(self, images: Tensor) -> Code:
        mean, log_variance = self.encoder(images).chunk(2, dim=1)
        code = mean + torch.randn_like(mean) * (0.5 * log_variance).exp()
        return Code(self.decoder(code), mean, log_variance)


class TwoTasks(nn.Module):
    """A trunk, the digit's class, and how much ink it has."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(64, 64), nn.ReLU())
        self.digit = nn.Linear(64, 10)
        self.ink = nn.Linear(64, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        features = self.trunk(x)
        return self.digit(features), self.ink(features)


def generator() -> nn.Sequential:
    """16 numbers to 64 pixels."""
    return nn.Sequential(*mlp(16, 64, 64), nn.Sigmoid())


def discriminator(width: int = 64) -> nn.Sequential:
    """64 pixels to one logit."""
    return mlp(64, width, 1, activation=lambda: nn.LeakyReLU(0.2))
