"""The third lot, of losses: masks, overlaps, several labels, likenesses, densities, codebooks."""

from __future__ import annotations

import math

import torch
from clinic.abroad import sealed
from clinic.abroad.loops import Terms, train
from clinic.case import NO_CODE
from clinic.data import flat_digits, square_digits
from clinic.nets import mlp
from torch import Tensor, nn
from torch.nn.functional import (
    binary_cross_entropy_with_logits,
    cosine_embedding_loss,
    cross_entropy,
    linear,
    mse_loss,
    normalize,
    one_hot,
)
from torch.optim import Adam

from tb_lossdiag import SummaryWriter

STEPS = 300


def _painter() -> nn.Sequential:
    """A score for each pixel."""
    return nn.Sequential(
        nn.Conv2d(1, 12, 3, padding=1), nn.ReLU(), nn.Conv2d(12, 12, 3, padding=1), nn.ReLU(),
        nn.Conv2d(12, 1, 3, padding=1),
    )  # fmt: skip


def _scenes(count: int = 32) -> tuple[Tensor, Tensor]:
    """Noisy digits, and where their ink is."""
    digits, _ = square_digits()
    x = digits.x[torch.randint(len(digits.y), (count,))]
    return x + 0.3 * torch.randn(x.shape), (x > 0.4).float()


@sealed(
    "LD506",
    "LD110",
    family="segmentation",
    source="https://github.com/milesial/Pytorch-UNet/issues/78, "
    "https://github.com/MontaEllis/Pytorch-Medical-Segmentation/issues/8",
)
def masks_from_0_to_255(writer: SummaryWriter) -> None:
    """Masks are read as they lie in their files: the loss is negative and falls without end."""
    model = _painter()

    def loss() -> Tensor:
        x, mask = _scenes()
        return binary_cross_entropy_with_logits(model(x), 255 * mask)

    train(writer, model, Adam(model.parameters(), 1e-3), loss, STEPS)


def _overlap(likely: Tensor, mask: Tensor) -> Tensor:
    """Dice of each picture."""
    both = (likely * mask).sum((1, 2, 3))
    return 1 - ((2 * both + 1) / (likely.sum((1, 2, 3)) + mask.sum((1, 2, 3)) + 1)).mean()


@sealed(
    "LD503",
    "LD110",
    family="segmentation",
    source="https://github.com/ScrollPrize/villa/issues/1488, https://github.com/jakeret/tf_unet/issues/15",
)
def an_overlap_of_raw_scores(writer: SummaryWriter) -> None:
    """Dice takes the scores as they are, without their sigmoid."""
    model = _painter()

    def loss() -> Tensor:
        x, mask = _scenes()
        return _overlap(model(x), mask)

    train(writer, model, Adam(model.parameters(), 1e-3), loss, STEPS)


@sealed(family="segmentation")
def an_overlap_beside_an_entropy(writer: SummaryWriter) -> None:
    """Dice of likelihoods and the entropy of scores, half and half."""
    model = _painter()

    def losses() -> tuple[Tensor, Terms]:
        x, mask = _scenes()
        scores = model(x)
        dice = _overlap(scores.sigmoid(), mask)
        entropy = binary_cross_entropy_with_logits(scores, mask)
        return 0.5 * dice + 0.5 * entropy, {"dice": (dice, 0.5), "entropy": (entropy, 0.5)}

    train(writer, model, Adam(model.parameters(), 2e-3), losses, STEPS)


@sealed("LD506", family="several labels", source="https://github.com/agemagician/Ankh/pull/29")
def several_labels_for_one_class(writer: SummaryWriter) -> None:
    """Rows with several ones are given to `cross_entropy`, which shares a single one out."""
    seen = torch.randn(6, 12)
    model = mlp(12, 64, 6)

    def loss() -> Tensor:
        x = torch.randn(64, 12)
        return cross_entropy(model(x), (x @ seen.T > 0).float())

    train(writer, model, Adam(model.parameters(), 2e-3), loss, STEPS)


def _pairs() -> tuple[Tensor, Tensor, Tensor]:
    """Two digits each, every other pair of the same class."""
    digits, _ = flat_digits()
    first = torch.randint(len(digits.y), (64,))
    second = torch.randint(len(digits.y), (64,))
    for row in range(0, 64, 2):
        alike = (digits.y == digits.y[first[row]]).nonzero()[:, 0]
        second[row] = alike[torch.randint(len(alike), ())]
    same = (digits.y[first] == digits.y[second]).float()
    return digits.x[first], digits.x[second], same


@sealed(
    "LD506",
    "LD519",
    "LD539",
    family="metric learning",
    source="https://github.com/pytorch/pytorch/issues/23782, https://github.com/pytorch/pytorch/issues/49917",
)
def unlike_pairs_with_a_nought(writer: SummaryWriter) -> None:
    """`CosineEmbeddingLoss` wants 1 and -1 and gets 1 and 0: pairs that differ cost nothing."""
    model = mlp(64, 96, 16)

    def loss() -> Tensor:
        first, second, same = _pairs()
        return cosine_embedding_loss(model(first), model(second), same)

    train(writer, model, Adam(model.parameters(), 1e-3), loss, STEPS)


@sealed(
    NO_CODE,
    family="metric learning",
    hard=True,
    source="https://github.com/VinhLoiIT/signet-pytorch/issues/2",
)
def pairs_that_differ_are_pulled_together(writer: SummaryWriter) -> None:
    """1 says "the same" in the data and "another" in the contrastive loss."""
    model = mlp(64, 96, 16)

    def loss() -> Tensor:
        first, second, same = _pairs()
        apart = (model(first) - model(second)).square().sum(1).add(1e-8).sqrt()
        return ((1 - same) * apart.square() + same * (1 - apart).relu().square()).mean()

    train(writer, model, Adam(model.parameters(), 1e-3), loss, STEPS)


class _Faces(nn.Module):
    """A trunk, and a direction for each class; answers with cosines."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = mlp(64, 128, 32)
        self.centres = nn.Parameter(torch.randn(10, 32))

    def forward(self, x: Tensor) -> Tensor:
        return linear(normalize(self.trunk(x)), normalize(self.centres))


def _recognise(writer: SummaryWriter, scale: float, margin: float) -> None:
    """ArcFace: the angle to the right class is widened by the margin, all cosines are multiplied by the scale."""
    digits, held_out = flat_digits()
    model = _Faces()
    batches = digits.batches(STEPS)

    def scores(x: Tensor, y: Tensor, margin: float) -> Tensor:
        cosine = model(x).clamp(-1 + 1e-6, 1 - 1e-6)
        wider = (cosine.acos() + margin).clamp(max=math.pi).cos()
        return cross_entropy(scale * torch.where(one_hot(y, 10).bool(), wider, cosine), y)

    train(
        writer, model, Adam(model.parameters(), 1e-3), lambda: scores(*next(batches), margin), STEPS,
        validate=lambda: scores(held_out.x, held_out.y, 0.0),
    )  # fmt: skip


@sealed(
    "LD520",
    family="metric learning",
    source="https://github.com/ronghuaiyang/arcface-pytorch/issues/38, "
    "https://github.com/KevinMusgrave/pytorch-metric-learning/issues/186",
)
def cosines_without_a_scale(writer: SummaryWriter) -> None:
    """Ten cosines are the scores: the loss can't fall below 1.9, however sure the model is."""
    _recognise(writer, 1.0, 0.0)


@sealed(family="metric learning")
def cosines_with_a_scale_and_a_margin(writer: SummaryWriter) -> None:
    """ArcFace as published, whose first loss is far above that of guessing."""
    _recognise(writer, 30.0, 0.3)


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
        y = 20 * torch.rand(128, 1) - 10
        x = y / 10 + 0.3 * (0.6 * y).sin() + 0.05 * torch.randn(128, 1)
        weight, mean, spread = model(x)
        each = -0.5 * ((y - mean) / spread).square() - spread.log() - 0.5 * math.log(2 * math.pi)
        if in_logs:
            return -(weight + each).logsumexp(1).mean()
        return -((weight.exp() * each.exp()).sum(1)).log().mean()

    train(writer, model, Adam(model.parameters(), 3e-3), loss, 400)


@sealed(
    "LD101",
    "LD206",
    family="densities",
    source="https://github.com/keras-team/keras/issues/2586, https://github.com/keras-team/keras/issues/1061",
)
def a_mixture_whose_likelihoods_underflow(writer: SummaryWriter) -> None:
    """Likelihoods are added up and their logarithm taken: far away from all five they are exactly 0."""
    _inverse(writer, in_logs=False)


@sealed(family="densities")
def a_mixture_in_logarithms(writer: SummaryWriter) -> None:
    """The same by `logsumexp`; its loss may go below 0."""
    _inverse(writer, in_logs=True)


@sealed(
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
        return -(even * likely.log() + (1 - even) * (1 - likely).log()).mean()

    train(writer, model, Adam(model.parameters(), 1e-2), loss, 600)


class _Codes(nn.Module):
    """An encoder, a book of 32 codes, a decoder."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.decoder = mlp(64, 96, 16), mlp(16, 96, 64)
        self.book = nn.Embedding(32, 16)
        nn.init.normal_(self.book.weight, std=0.3)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        found = self.encoder(x)
        nearest = self.book(torch.cdist(found, self.book.weight).argmin(1))
        return found, nearest, found + (nearest - found).detach()


def _quantise(writer: SummaryWriter, *, passed: bool) -> None:
    """A VQ-VAE; `passed` compares the straight-through output with the encoder's, instead of the book's code."""
    digits, _ = flat_digits()
    model = _Codes()
    batches = digits.batches(STEPS)

    def losses() -> tuple[Tensor, Terms]:
        x, _ = next(batches)
        found, nearest, through = model(x)
        image = mse_loss(model.decoder(through), x)
        book = mse_loss(through if passed else nearest, found.detach())
        near = mse_loss(found, nearest.detach())
        terms: Terms = {"image": image, "book": book, "near": (near, 0.25)}
        return image + book + 0.25 * near, terms

    train(writer, model, Adam(model.parameters(), 2e-3), losses, STEPS)


@sealed(
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


@sealed(family="autoencoder")
def a_book_of_codes(writer: SummaryWriter) -> None:
    """A VQ-VAE as published."""
    _quantise(writer, passed=False)
