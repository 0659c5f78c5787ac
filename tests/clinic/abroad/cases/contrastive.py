"""Contrastive and self-distilled representations of handwritten digits: SimCLR, MoCo, SimSiam, CLIP."""

from __future__ import annotations

from copy import deepcopy

import torch
from clinic.abroad import patient
from clinic.abroad.loops import train
from clinic.case import NO_CODE
from clinic.data import flat_digits, square_digits
from clinic.nets import cnn, mlp
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity, cross_entropy, normalize
from torch.optim import SGD, Adam

from tb_lossdiag import SummaryWriter


def pictures(count: int = 48) -> Tensor:
    """A random batch of digits."""
    images = square_digits()[0].x
    return images[torch.randint(len(images), (count,))]


def view(images: Tensor) -> Tensor:
    """Moved by a pixel, darkened and noised."""
    left, down = torch.randint(-1, 2, (2,)).tolist()
    moved = images.roll((left, down), (2, 3))
    light = 0.7 + 0.6 * torch.rand(len(images), 1, 1, 1)
    return moved * light + 0.1 * torch.randn_like(images)


class Encoder(nn.Module):
    """Convolutions and a projection head."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.trunk = cnn(outputs=64)
        self.head = mlp(64, 64, width)

    def forward(self, x: Tensor) -> Tensor:
        answer: Tensor = self.head(self.trunk(x).relu())
        return answer


def nt_xent(one: Tensor, two: Tensor, temperature: float = 0.2, *, itself: bool = False) -> Tensor:
    """SimCLR's loss over two views; `itself` leaves each view among its own candidates."""
    z = normalize(torch.cat([one, two]), dim=1)
    alike = z @ z.T / temperature
    if not itself:
        alike = alike.masked_fill(torch.eye(len(z), dtype=torch.bool), -1e9)
    half = len(one)
    other = torch.cat([torch.arange(half) + half, torch.arange(half)])
    return cross_entropy(alike, other)


@patient(family="contrastive")
def simclr_of_digits(writer: SummaryWriter) -> None:
    """Two views of each picture, all others as negatives."""
    model = Encoder()

    def of() -> Tensor:
        x = pictures()
        return nt_xent(model(view(x)), model(view(x)))

    train(writer, model, Adam(model.parameters(), lr=1e-3), of, 160)


@patient(NO_CODE, "LD519", family="contrastive", source="microsoft/A-CLIP PR 4")
def simclr_of_one_view(writer: SummaryWriter) -> None:
    """The second view is the first one: the answer stands in the question."""
    model = Encoder()

    def of() -> Tensor:
        first = model(view(pictures()))
        return nt_xent(first, first)

    train(writer, model, Adam(model.parameters(), lr=1e-3), of, 160)


@patient(
    NO_CODE,
    "LD519",
    family="contrastive",
    hard=True,
    source="Lightning-Universe/lightning-bolts issue 695",
)
def simclr_among_itself(writer: SummaryWriter) -> None:
    """Each view is among its own negatives, and always the nearest."""
    model = Encoder()

    def of() -> Tensor:
        x = pictures()
        return nt_xent(model(view(x)), model(view(x)), itself=True)

    train(writer, model, Adam(model.parameters(), lr=1e-3), of, 160)


def moco(writer: SummaryWriter, momentum: float, steps: int = 200, kept: int = 256) -> None:
    """Keys of a slowly following encoder, negatives from a queue."""
    model = Encoder()
    slow = deepcopy(model).requires_grad_(requires_grad=False)
    queue = normalize(torch.randn(kept, 32), dim=1)

    def of() -> Tensor:
        nonlocal queue
        x = pictures()
        query = normalize(model(view(x)), dim=1)
        with torch.no_grad():
            key = normalize(slow(view(x)), dim=1)
        logits = torch.cat([(query * key).sum(1, keepdim=True), query @ queue.T], 1) / 0.2
        queue = torch.cat([key, queue])[:kept]
        return cross_entropy(logits, torch.zeros(len(x), dtype=torch.long))

    def follow() -> None:
        for old, new in zip(slow.parameters(), model.parameters(), strict=True):
            old.lerp_(new.detach(), 1 - momentum)

    optimizer = Adam(model.parameters(), lr=1e-3)
    train(writer, model, optimizer, of, steps, after=follow)


@patient(family="contrastive")
def moco_of_digits(writer: SummaryWriter) -> None:
    """The first losses are low: the queue is noise."""
    moco(writer, 0.95)


@patient(family="contrastive")
def moco_whose_queue_fills_for_long(writer: SummaryWriter) -> None:
    """As lightly-ai's examples/pytorch/moco.py: half of the run replaces noise by keys; the loss rises until then, and ends above its start."""
    moco(writer, 0.99, kept=6400)


@patient(
    "LD623",
    family="contrastive",
    hard=True,
    source="ligerfotis/mvitac issue 2, Lightning-Universe/lightning-bolts issue 1059",
)
def moco_whose_keys_stand_still(writer: SummaryWriter) -> None:
    """The momentum update was commented out."""
    moco(writer, 1.0)


def simsiam(writer: SummaryWriter, *, stopped: bool) -> None:
    """Predicts one view's projection from the other's, with or without a gradient into what is predicted."""
    model = nn.ModuleDict(
        {
            "trunk": nn.Sequential(cnn(outputs=64), nn.BatchNorm1d(64), nn.ReLU()),
            "project": nn.Sequential(
                nn.Linear(64, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, 32)
            ),
            "predict": mlp(32, 16, 32),
        }
    )

    def of() -> Tensor:
        x = pictures()
        one, two = (model["project"](model["trunk"](view(x))) for _ in range(2))
        kept = [z.detach() if stopped else z for z in (one, two)]
        first = cosine_similarity(model["predict"](one), kept[1]).mean()
        second = cosine_similarity(model["predict"](two), kept[0]).mean()
        return -(first + second) / 2

    optimizer = SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-4)
    train(writer, model, optimizer, of, 160)


@patient(family="contrastive")
def simsiam_of_digits(writer: SummaryWriter) -> None:
    """A loss that is negative, and no negatives."""
    simsiam(writer, stopped=True)


@patient(
    "LD707",
    "LD519",
    "LD705",
    family="contrastive",
    source="lightly-ai/lightly issue 559, PatrickHua/SimSiam issue 50, arXiv 2011.10566 figure 2",
)
def simsiam_without_its_stop(writer: SummaryWriter) -> None:
    """The gradient runs into both sides: all pictures become one point and the loss -1."""
    simsiam(writer, stopped=False)


class Pairs(nn.Module):
    """A tower for the upper half of a picture, one for the lower half, and a temperature."""

    def __init__(self, start: float = 2.66) -> None:
        super().__init__()
        self.upper, self.lower = mlp(32, 64, 32), mlp(32, 64, 32)
        self.logit_scale = nn.Parameter(torch.tensor(start))

    def forward(self, x: Tensor) -> Tensor:
        upper = normalize(self.upper(x[:, :32]), dim=1)
        lower = normalize(self.lower(x[:, 32:]), dim=1)
        logits: Tensor = self.scale() * upper @ lower.T
        return logits

    def scale(self) -> Tensor:
        """What the cosines are multiplied with."""
        return self.logit_scale.exp().clamp(max=100)


def match(writer: SummaryWriter, model: Pairs, rate: float = 2e-3, steps: int = 300) -> None:
    """Which lower half belongs to which upper half."""
    images = flat_digits()[0].x

    def of() -> Tensor:
        logits = model(images[torch.randint(len(images), (64,))])
        truth = torch.arange(64)
        return (cross_entropy(logits, truth) + cross_entropy(logits.T, truth)) / 2

    train(writer, model, Adam(model.parameters(), lr=rate), of, steps)


@patient(family="contrastive")
def halves_are_matched(writer: SummaryWriter) -> None:
    """CLIP's loss: square logits and a diagonal."""
    match(writer, Pairs())


class _Unbounded(Pairs):
    def scale(self) -> Tensor:
        return self.logit_scale.exp()


@patient("LD520", "LD601", family="contrastive", hard=True, source="openai/CLIP issue 46, PR 530")
def a_temperature_without_a_bound(writer: SummaryWriter) -> None:
    """The scale of the logits is learned with a high rate and nothing holds it."""
    match(writer, _Unbounded(), rate=0.1)


class _Shrunk(Pairs):
    def scale(self) -> Tensor:
        return self.logit_scale


@patient(
    "LD520",
    family="contrastive",
    hard=True,
    source="BAAI-DCAI/M3D issue 52, huggingface/transformers issue 13430",
)
def a_temperature_that_is_no_exponential(writer: SummaryWriter) -> None:
    """The logarithm of the scale is used as the scale: cosines are hardly told apart."""
    match(writer, _Shrunk())
