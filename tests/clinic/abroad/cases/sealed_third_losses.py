"""The third lot, of losses: masks, overlaps, several labels, likenesses."""

from __future__ import annotations

import math

import torch
from clinic.abroad import patient
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


def _scenes(count: int = 16) -> tuple[Tensor, Tensor]:
    """Noisy digits, and where their ink is."""
    digits, _ = square_digits()
    x = digits.x[torch.randint(len(digits.y), (count,))]
    return x + 0.3 * torch.randn(x.shape), (x > 0.4).float()


@patient(
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


@patient(
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


@patient(family="segmentation")
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


@patient("LD506", family="several labels", source="https://github.com/agemagician/Ankh/pull/29")
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


@patient(
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


@patient(
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
        cost: Tensor = (1 - same) * apart.square() + same * (1 - apart).relu().square()
        return cost.mean()

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


@patient(
    "LD520",
    family="metric learning",
    source="https://github.com/ronghuaiyang/arcface-pytorch/issues/38, "
    "https://github.com/KevinMusgrave/pytorch-metric-learning/issues/186",
)
def cosines_without_a_scale(writer: SummaryWriter) -> None:
    """Ten cosines are the scores: the loss can't fall below 1.9, however sure the model is."""
    _recognise(writer, 1.0, 0.0)


@patient(family="metric learning")
def cosines_with_a_scale_and_a_margin(writer: SummaryWriter) -> None:
    """ArcFace as published, whose first loss is far above that of guessing."""
    _recognise(writer, 30.0, 0.3)
