"""A small detector: objectness, class and box of each cell of a grid."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from clinic.abroad import patient
from clinic.abroad.loops import Terms, train
from clinic.data import square_digits
from torch import Tensor, nn
from torch.nn.functional import (
    binary_cross_entropy_with_logits,
    cross_entropy,
    smooth_l1_loss,
)
from torch.optim import Adam

from tb_lossdiag import SummaryWriter

GRID = 4


@dataclass(frozen=True)
class Scene:
    """Pictures float32[N, 1, 32, 32]; per cell whether there is a digit, which, and its box in pixels."""

    pictures: Tensor
    there: Tensor
    kinds: Tensor
    boxes: Tensor


def scenes(count: int = 16, odds: float = 0.3) -> Scene:
    """A digit, or none, in each of sixteen cells; empty scenes happen."""
    data = square_digits()[0]
    rows = torch.randint(len(data.y), (count, GRID, GRID))
    there = torch.rand(count, GRID, GRID) < odds
    tiles = data.x[rows, 0] * there[..., None, None]
    pictures = tiles.permute(0, 1, 3, 2, 4).reshape(count, 1, 32, 32)
    ink = tiles > 0.3
    boxes = torch.stack([_extent(ink.any(-1)), _extent(ink.any(-2))], -1).flatten(-2)
    return Scene(pictures, there, data.y[rows], boxes)


def _extent(ink: Tensor) -> Tensor:
    """First and last inked line of eight, float32[..., 2]."""
    place = torch.arange(8.0)
    first = torch.where(ink, place, 8.0).amin(-1)
    last = torch.where(ink, place, -1.0).amax(-1)
    return torch.stack([first, last], -1)


class Detector(nn.Module):
    """Convolutions down to the grid; 1 + 10 + 4 numbers per cell."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(32, 64, 2, stride=2), nn.ReLU(),
        )  # fmt: skip
        self.head = nn.Conv2d(64, 15, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        cells = self.head(self.trunk(x)).permute(0, 2, 3, 1)
        return cells[..., 0], cells[..., 1:11], cells[..., 11:]


class Losses:
    """The three terms of a batch."""

    boxes = 1.0
    scale = 8.0

    def __call__(self, model: Detector, scene: Scene) -> tuple[Tensor, Terms]:
        """Their weighted sum, and each."""
        presence, kinds, boxes = model(scene.pictures)
        terms: dict[str, Tensor | tuple[Tensor, float]] = {
            "objectness": self.objectness(presence, scene),
            "class": self.kind(kinds, scene),
            "box": (self.box(boxes, scene), self.boxes),
        }
        parts = [term[0] * term[1] if isinstance(term, tuple) else term for term in terms.values()]
        return torch.stack(parts).sum(), terms

    def objectness(self, presence: Tensor, scene: Scene) -> Tensor:
        """Over all cells."""
        return binary_cross_entropy_with_logits(presence, scene.there.float())

    def kind(self, kinds: Tensor, scene: Scene) -> Tensor:
        """Over cells with a digit."""
        found = cross_entropy(kinds[scene.there], scene.kinds[scene.there], reduction="sum")
        return found / scene.there.sum().clamp(min=1)

    def box(self, boxes: Tensor, scene: Scene) -> Tensor:
        """Over cells with a digit."""
        there = scene.there
        found = smooth_l1_loss(boxes[there], scene.boxes[there] / self.scale, reduction="sum")
        return found / there.sum().clamp(min=1)


def detect(writer: SummaryWriter, losses: Losses, *, odds: float = 0.3, count: int = 16) -> None:
    """Train a detector."""
    model = Detector()
    optimizer = Adam(model.parameters(), lr=2e-3)
    train(writer, model, optimizer, lambda: losses(model, scenes(count, odds)), 200)


@patient(family="detection")
def digits_are_found(writer: SummaryWriter) -> None:
    """Three terms of different size and pace."""
    detect(writer, Losses())


class _Focal(Losses):
    def objectness(self, presence: Tensor, scene: Scene) -> Tensor:
        there = scene.there.float()
        plain = binary_cross_entropy_with_logits(presence, there, reduction="none")
        missed = (there - presence.sigmoid()).abs()
        return (missed**2 * plain).sum() / there.sum().clamp(min=1)


@patient(family="detection")
def rare_digits_are_found_with_focal_loss(writer: SummaryWriter) -> None:
    """Few cells hold a digit, and some batches none."""
    detect(writer, _Focal(), odds=0.05)


class _Pixels(Losses):
    boxes = 50.0
    scale = 0.125


@patient(
    "LD401",
    "LD510",
    family="detection",
    source="yuanwei1989/landmark-detection issue 2, tensorflow/tpu issue 628",
)
def boxes_in_pixels_drown_the_classes(writer: SummaryWriter) -> None:
    """The error of the boxes is taken in pixels of the whole picture, and weighted on top."""
    detect(writer, _Pixels())


class _Means(Losses):
    def box(self, boxes: Tensor, scene: Scene) -> Tensor:
        there = scene.there
        return smooth_l1_loss(boxes[there], scene.boxes[there] / self.scale)


@patient(
    "LD101",
    "LD206",
    family="detection",
    source="kuangliu/pytorch-retinanet issue 14, HotaekHan/SSTDNet issue 9, pjreddie/darknet issue 566",
)
def a_batch_without_a_digit(writer: SummaryWriter) -> None:
    """The mean over no box at all is NaN."""
    detect(writer, _Means(), odds=0.02, count=8)


class _Detached(Losses):
    def kind(self, kinds: Tensor, scene: Scene) -> Tensor:
        best = kinds.argmax(-1)
        return (best != scene.kinds)[scene.there].float().sum() / scene.there.sum().clamp(min=1)


@patient(
    "LD404",
    family="detection",
    source="speechbrain/speechbrain issue 735, pyg-team/pytorch_geometric issue 874",
)
def classes_counted_instead_of_scored(writer: SummaryWriter) -> None:
    """The share of wrong classes is added to the loss; it has no gradient."""
    detect(writer, _Detached())


@patient(
    "LD104",
    "LD108",
    "LD545",
    family="detection",
    hard=True,
    source="facebookresearch/Detectron issue 632",
)
def labels_of_the_neighbouring_row(writer: SummaryWriter) -> None:
    """Pictures and their grids of labels are shifted against each other by one row."""
    model = Detector()
    losses = Losses()

    def of() -> tuple[Tensor, Terms]:
        scene = scenes()
        shifted = Scene(scene.pictures.roll(8, 2), scene.there, scene.kinds, scene.boxes)
        return losses(model, shifted)

    train(writer, model, Adam(model.parameters(), lr=2e-3), of, 200)
