"""Data of the trainings: real tables and images that come with scikit-learn, and streams made from formulas."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from sklearn.datasets import load_diabetes, make_friedman1
from torch import Tensor

from tb_lossdiag.demo.digits import digits

Batch = tuple[Tensor, Tensor]
Batches = Iterator[Batch]


@dataclass(frozen=True)
class Samples:
    """Inputs x and targets y, first dimension for first dimension."""

    x: Tensor
    y: Tensor

    def batches(self, steps: int, size: int = 64) -> Batches:
        """Random batches, as a shuffling loader gives them."""
        for _ in range(steps):
            rows = torch.randint(len(self.y), (size,))
            yield self.x[rows], self.y[rows]

    def split(self, first: int) -> tuple[Samples, Samples]:
        """The first samples and the others."""
        return Samples(self.x[:first], self.y[:first]), Samples(self.x[first:], self.y[first:])


def flat_digits() -> tuple[Samples, Samples]:
    """Handwritten digits float32[N, 64] in [0, 1] and their classes, for training and validation."""
    training, validation = digits()
    return Samples(training.images, training.labels), Samples(validation.images, validation.labels)


def square_digits() -> tuple[Samples, Samples]:
    """The same as float32[N, 1, 8, 8]."""
    training, validation = flat_digits()
    return (
        Samples(training.x.view(-1, 1, 8, 8), training.y),
        Samples(validation.x.view(-1, 1, 8, 8), validation.y),
    )


def digit_rows() -> tuple[Samples, Samples]:
    """The same as sequences of eight rows, float32[N, 8, 8]."""
    training, validation = flat_digits()
    return (
        Samples(training.x.view(-1, 8, 8), training.y),
        Samples(validation.x.view(-1, 8, 8), validation.y),
    )


def diabetes(*, scaled: bool = True) -> Samples:
    """Ten measurements of 442 patients and the progress of their disease, 25 to 346, float32[N, 1]."""
    data = load_diabetes()
    order = torch.randperm(len(data.target), generator=torch.Generator().manual_seed(0))
    x = torch.tensor(data.data, dtype=torch.float32)[order]
    y = torch.tensor(data.target, dtype=torch.float32)[order].unsqueeze(1)
    return Samples(standard(x), standard(y) if scaled else y)


def friedman(count: int = 1000, noise: float = 0.0) -> Samples:
    """Friedman's first function of ten numbers, standardised, float32[N, 1]."""
    x, y = make_friedman1(count, noise=noise, random_state=0)
    targets = torch.tensor(y, dtype=torch.float32).unsqueeze(1)
    return Samples(standard(torch.tensor(x, dtype=torch.float32)), standard(targets))


def standard(values: Tensor) -> Tensor:
    """With mean 0 and standard deviation 1, column by column."""
    return (values - values.mean(0)) / values.std(0)


def waves(length: int = 40, count: int = 512) -> Samples:
    """Noisy sines of random frequency and phase, and the same one step later, float32[N, length, 1]."""
    generator = torch.Generator().manual_seed(0)
    pace = 0.2 + 0.4 * torch.rand(count, 1, generator=generator)
    phase = 6.28 * torch.rand(count, 1, generator=generator)
    wave = (pace * torch.arange(length + 1) + phase).sin()
    wave = wave + 0.05 * torch.randn(wave.shape, generator=generator)
    return Samples(wave[:, :-1].unsqueeze(2), wave[:, 1:].unsqueeze(2))


def rare_digits(share: float = 0.02) -> Samples:
    """Digits, and whether they are a zero; only so many are."""
    training, _ = flat_digits()
    zeros, others = (training.y == 0).nonzero()[:, 0], (training.y != 0).nonzero()[:, 0]
    kept = zeros[: max(1, int(share * len(others)))]
    rows = torch.cat([kept, others])
    return Samples(training.x[rows], (training.y[rows] == 0).long())
