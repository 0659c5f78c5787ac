"""The data of all demos: 1797 handwritten digits of 8 x 8 pixels that come with scikit-learn."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from sklearn.datasets import load_digits
from torch import Tensor


@dataclass(frozen=True)
class Split:
    """Images float32[N, 64] in [0, 1] and labels int64[N]."""

    images: Tensor
    labels: Tensor

    def batches(self, steps: int, size: int = 64) -> Iterator[tuple[Tensor, Tensor]]:
        """Random batches; the order depends on a seed of its own."""
        generator = torch.Generator().manual_seed(0)
        for _ in range(steps):
            rows = torch.randint(len(self.labels), (size,), generator=generator)
            yield self.images[rows], self.labels[rows]


def digits(train: int = 1400) -> tuple[Split, Split]:
    """The first `train` digits of a fixed shuffle, and the last 397 for validation."""
    data = load_digits()
    order = torch.randperm(len(data.target), generator=torch.Generator().manual_seed(0))
    images = torch.tensor(data.data, dtype=torch.float32)[order] / 16
    labels = torch.tensor(data.target)[order]
    return Split(images[:train], labels[:train]), Split(images[1400:], labels[1400:])
