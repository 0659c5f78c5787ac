"""The third lot, of densities: mixtures, likelihoods by hand, codebooks."""

from __future__ import annotations

import math

import torch
from clinic.abroad import patient
from clinic.abroad.loops import Terms, train
from clinic.data import flat_digits
from clinic.nets import mlp
from torch import Tensor, nn
from torch.nn.functional import mse_loss
from torch.optim import Adam

from tb_lossdiag import SummaryWriter


class _Mixture(nn.Module):
    """Five normal distributions for each input."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(1, 32), nn.Tanh(), nn.Linear(32, 15))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        weight, mean, spread = self.trunk(x).chunk(3, 1)
        return weight.log_softmax(1), 10 * mean, spread.exp()


def _inverse(writer: SummaryWriter, *, in_logs: bool) -> None:
    """Which of several answers led to a measurement: the density of a mixture, in logarithms or not."""
    model = _Mixture()

    def loss() -> Tensor:
        y = 120 * torch.rand(128, 1) - 60
        x = y / 60 + 0.3 * (0.1 * y).sin() + 0.05 * torch.randn(128, 1)
        weight, mean, spread = model(x)
        each = -0.5 * ((y - mean) / spread).square() - spread.log() - 0.5 * math.log(2 * math.pi)
        if in_logs:
            dense: Tensor = (weight + each).logsumexp(1)
            return -dense.mean()
        likely: Tensor = (weight.exp() * each.exp()).sum(1)
        return -likely.log().mean()

    train(writer, model, Adam(model.parameters(), 1e-2), loss, 400)


@patient(
    "LD101",
    "LD206",
    family="densities",
    source="https://github.com/keras-team/keras/issues/2586, https://github.com/keras-team/keras/issues/1061",
)
def a_mixture_whose_likelihoods_underflow(writer: SummaryWriter) -> None:
    """Likelihoods are added up and their logarithm taken: far away from all five they are exactly 0."""
    _inverse(writer, in_logs=False)


@patient(family="densities")
def a_mixture_in_logarithms(writer: SummaryWriter) -> None:
    """The same by `logsumexp`; its loss may go below 0."""
    _inverse(writer, in_logs=True)


@patient(
    "LD101",
    "LD206",
    family="yes or no",
    source="https://github.com/hwalsuklee/tensorflow-mnist-VAE/issues/4, "
    "https://github.com/slryou41/AnchorLoss/issues/2",
)
def a_yes_that_is_certain_by_hand(writer: SummaryWriter) -> None:
    """Entropy of a sigmoid, by hand and without an epsilon: 0 times the logarithm of 0 is no number."""
    digits, _ = flat_digits()
    model = nn.Sequential(mlp(64, 128, 64, 1), nn.Sigmoid())
    batches = digits.batches(600)

    def loss() -> Tensor:
        x, y = next(batches)
        even, likely = (y % 2 == 0).float(), model(x)[:, 0]
        right: Tensor = even * likely.log() + (1 - even) * (1 - likely).log()
        return -right.mean()

    train(writer, model, Adam(model.parameters(), 1e-2), loss, 600)


class _Codes(nn.Module):
    """An encoder, a book of 32 codes, a decoder."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.decoder = mlp(64, 96, 16), mlp(16, 96, 64)
        self.book = nn.Embedding(32, 16)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        found = self.encoder(x)
        nearest = self.book(torch.cdist(found, self.book.weight).argmin(1))
        return found, nearest, found + (nearest - found).detach()


def _quantise(writer: SummaryWriter, *, passed: bool) -> None:
    """A VQ-VAE; `passed` compares the straight-through output with the encoder's, instead of the book's code."""
    digits, _ = flat_digits()
    model = _Codes()
    with torch.no_grad():
        model.book.weight.copy_(model.encoder(digits.x[:32]))
    batches = digits.batches(500)

    def losses() -> tuple[Tensor, Terms]:
        x, _ = next(batches)
        found, nearest, through = model(x)
        image = mse_loss(model.decoder(through), x)
        book = mse_loss(through if passed else nearest, found.detach())
        near = mse_loss(found, nearest.detach())
        terms: Terms = {"image": image, "book": book, "near": near}
        return image + book + near, terms

    train(writer, model, Adam(model.parameters(), 2e-3), losses, 500)


@patient(
    "LD204",
    "LD404",
    "LD208",
    family="autoencoder",
    source="https://github.com/showlab/Olaf-World/issues/8, "
    "https://github.com/EdoardoBotta/RQ-VAE-Recommender/issues/24",
)
def a_book_of_codes_that_is_never_written(writer: SummaryWriter) -> None:
    """The book's loss is computed of the straight-through output, in which the book is detached."""
    _quantise(writer, passed=True)


@patient(family="autoencoder")
def a_book_of_codes(writer: SummaryWriter) -> None:
    """A VQ-VAE as published."""
    _quantise(writer, passed=False)
