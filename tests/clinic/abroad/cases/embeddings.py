"""Embeddings without labels, or with few: BYOL, Barlow Twins, triplets, and a normalising flow."""

from __future__ import annotations

from copy import deepcopy

import torch
from clinic.abroad import patient
from clinic.abroad.cases.contrastive import Encoder, nt_xent, pictures, view
from clinic.abroad.loops import train
from clinic.case import NO_CODE
from clinic.data import flat_digits, square_digits
from clinic.nets import mlp
from torch import Tensor, nn
from torch.nn.functional import mse_loss, normalize, triplet_margin_loss
from torch.optim import SGD, Adam

from tb_lossdiag import SummaryWriter


def byol(writer: SummaryWriter, *, predicting: bool) -> None:
    """Predicts what a slowly following copy makes of the other view."""
    model = nn.ModuleDict({"encoder": Encoder()})
    if predicting:
        model["predict"] = mlp(32, 64, 32)
    slow = deepcopy(model["encoder"]).requires_grad_(requires_grad=False)

    def side(one: Tensor, two: Tensor) -> Tensor:
        made = model["encoder"](one)
        guess = normalize(model["predict"](made) if predicting else made, dim=1)
        with torch.no_grad():
            aim = normalize(slow(two), dim=1)
        return 2 - 2 * (guess * aim).sum(1).mean()

    def of() -> Tensor:
        x = pictures()
        one, two = view(x), view(x)
        return side(one, two) + side(two, one)

    def follow() -> None:
        for kept, new in zip(slow.parameters(), model["encoder"].parameters(), strict=True):
            kept.lerp_(new.detach(), 0.05)

    train(writer, model, Adam(model.parameters(), lr=1e-3), of, 200, after=follow)


@patient(family="contrastive")
def byol_of_digits(writer: SummaryWriter) -> None:
    """The loss rises for a while after its first fall."""
    byol(writer, predicting=True)


@patient(
    "LD707",
    "LD519",
    "LD705",
    family="contrastive",
    source="open-mmlab/mmselfsup issue 71, lucidrains/byol-pytorch issue 44, arXiv 2006.07733 table 5b",
)
def byol_without_a_predictor(writer: SummaryWriter) -> None:
    """Both branches are alike, and agree on one answer for everything."""
    byol(writer, predicting=False)


def _twins(one: Tensor, two: Tensor) -> Tensor:
    a, b = ((z - z.mean(0)) / (z.std(0) + 1e-5) for z in (one, two))
    alike = a.T @ b / len(a)
    same = torch.diagonal(alike)
    return (1 - same).pow(2).sum() + 0.01 * (alike.pow(2).sum() - same.pow(2).sum())


@patient(family="contrastive")
def views_are_decorrelated(writer: SummaryWriter) -> None:
    """Barlow Twins: a loss of correlations, no negatives."""
    model = Encoder()

    def of() -> Tensor:
        x = pictures(64)
        return _twins(model(view(x)), model(view(x)))

    train(writer, model, Adam(model.parameters(), lr=1e-3), of, 160)


def triplets(writer: SummaryWriter, *, hardest: bool, rate: float) -> None:
    """Digits of one class near each other: random triplets, or the hardest of the batch."""
    data = square_digits()[0]
    model = Encoder(16)

    def of() -> Tensor:
        rows = torch.randint(len(data.y), (48,))
        z, y = model(data.x[rows]), data.y[rows]
        far = torch.cdist(z, z)
        same = y[:, None] == y
        if hardest:
            near, beyond = (
                far.masked_fill(~same, -1).argmax(1),
                far.masked_fill(same, 1e9).argmin(1),
            )
        else:
            near, beyond = (torch.multinomial(m.float(), 1)[:, 0] for m in (same, ~same))
        return triplet_margin_loss(z, z[near], z[beyond], margin=1.0)

    train(writer, model, SGD(model.parameters(), lr=rate, momentum=0.9), of, 200)


@patient(family="contrastive")
def triplets_of_digits(writer: SummaryWriter) -> None:
    """Random triplets, most of which are soon easy."""
    triplets(writer, hardest=False, rate=0.01)


@patient(
    "LD519",
    "LD705",
    "LD707",
    "LD104",
    family="contrastive",
    source="omoindrot/tensorflow-triplet-loss issues 38, 50, VisualComputingInstitute/triplet-reid issue 30",
)
def triplets_at_their_margin(writer: SummaryWriter) -> None:
    """The hardest negatives from the first step on: all embeddings become one point and the loss the margin."""
    triplets(writer, hardest=True, rate=0.3)


@patient(
    "LD520",
    family="contrastive",
    hard=True,
    source="huiserwang/ContrastMask issue 4, ustcllm/RecStudio issue 21",
)
def cosines_multiplied_by_a_temperature(writer: SummaryWriter) -> None:
    """Multiplied instead of divided: logits between -0.1 and 0.1."""
    model = Encoder()

    def of() -> Tensor:
        x = pictures()
        return nt_xent(model(view(x)), model(view(x)), temperature=10.0)

    train(writer, model, Adam(model.parameters(), lr=1e-3), of, 160)


@patient(
    "LD809",
    "LD519",
    NO_CODE,
    family="contrastive",
    hard=True,
    source="huggingface/sentence-transformers issue 3189, fartashf/vsepp issue 6",
)
def the_positive_is_among_the_negatives(writer: SummaryWriter) -> None:
    """A batch holds each picture four times, and three of its copies count as wrong answers."""
    model = Encoder()

    def of() -> Tensor:
        x = pictures(12).repeat(4, 1, 1, 1)
        return nt_xent(model(view(x)), model(view(x)))

    train(writer, model, Adam(model.parameters(), lr=1e-3), of, 160)


class Flow(nn.Module):
    """Affine couplings over 16 numbers: a code, and the logarithm of the change of volume."""

    def __init__(self) -> None:
        super().__init__()
        self.parts = nn.ModuleList([mlp(8, 64, 16) for _ in range(4)])

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        volume = torch.zeros(len(x))
        for part in self.parts:
            kept, changed = x.chunk(2, 1)
            scale, shift = part(kept).chunk(2, 1)
            scale = scale.tanh()
            x = torch.cat([changed * scale.exp() + shift, kept], 1)
            volume = volume + scale.sum(1)
        return x, volume


def flow(writer: SummaryWriter, *, volume: bool) -> None:
    """Negative log-likelihood of sixteen pixels, with or without the change of volume."""
    images = flat_digits()[0].x[:, 16:32]
    model = Flow()

    def of() -> Tensor:
        rows = images[torch.randint(len(images), (64,))]
        code, log_volume = model(rows + 0.05 * torch.randn_like(rows))
        likely: Tensor = -0.5 * (code**2).sum(1)
        return -(likely + log_volume).mean() if volume else -likely.mean()

    train(writer, model, Adam(model.parameters(), lr=2e-3), of, 250)


@patient(family="contrastive")
def a_flow_of_pixels(writer: SummaryWriter) -> None:
    """A likelihood, which may be negative."""
    flow(writer, volume=True)


@patient(
    "LD707",
    "LD519",
    "LD705",
    family="contrastive",
    source="Yang-Liu1082/InvDN issue 9, VincentStimper/normalizing-flows issue 27",
)
def a_flow_without_its_volume(writer: SummaryWriter) -> None:
    """The log-determinant is left out: everything is pressed into one point."""
    flow(writer, volume=False)


def _standardised() -> Tensor:
    x = flat_digits()[0].x
    return (x - x.mean(0)) / (x.std(0) + 0.1)


@patient(
    "LD511",
    family="autoencoder",
    source="aimagelab/novelty-detection issue 5, mikesj-public/convolutional_autoencoder PR 9",
)
def a_sigmoid_against_standardised_pictures(writer: SummaryWriter) -> None:
    """Pixels of mean 0 and deviation 1, and an output between 0 and 1."""
    images = _standardised()
    model = nn.Sequential(*mlp(64, 32, 8, 32, 64), nn.Sigmoid())

    def of() -> Tensor:
        rows = images[torch.randint(len(images), (64,))]
        return mse_loss(model(rows), rows)

    train(writer, model, Adam(model.parameters(), lr=2e-3), of, 250)


@patient(family="autoencoder")
def an_autoencoder_of_standardised_pictures(writer: SummaryWriter) -> None:
    """Its output is linear; inputs and targets are the same."""
    images = _standardised()
    model = mlp(64, 32, 8, 32, 64)

    def of() -> Tensor:
        rows = images[torch.randint(len(images), (64,))]
        return mse_loss(model(rows), rows)

    train(writer, model, Adam(model.parameters(), lr=2e-3), of, 250)
