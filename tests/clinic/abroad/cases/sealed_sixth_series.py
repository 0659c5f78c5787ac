"""The sixth lot: loads of a grid, boxes that are mixed."""

from __future__ import annotations

import torch
from clinic.abroad import patient
from clinic.case import NO_CODE
from torch import Tensor, nn
from torch.optim import Adam

from tb_lossdiag import SummaryWriter

PAST, AHEAD = 24, 6


def _loads(count: int) -> tuple[Tensor, Tensor]:
    """Past and future of loads about 100 MW, each about a level of its own."""
    level, phase = 100 + 25 * torch.randn(count, 1), 6.28 * torch.rand(count, 1)
    pace = 0.3 + 0.5 * torch.rand(count, 1)
    wave = level + 3 * (pace * torch.arange(PAST + AHEAD) + phase).sin()
    wave = wave + 0.3 * torch.randn(count, PAST + AHEAD)
    return wave[:, :PAST], wave[:, PAST:]


class _Forecaster(nn.Module):
    """An encoder and a linear decoder, with each window brought to mean 0 and deviation 1."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.GRU(1, 32, batch_first=True)
        self.decoder = nn.Linear(32, AHEAD)

    def forward(self, target_past: Tensor) -> Tensor:
        state = self.encoder(target_past[..., None])[1][0]
        ahead: Tensor = self.decoder(state)
        return ahead


def _forecast(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Mean absolute error of new forecasts, in MW."""
    model = _Forecaster()
    optimizer = Adam(model.parameters(), lr=3e-3)
    writer.watch(model, optimizer)
    for step in range(300):
        past, y = _loads(32)
        mean, std = past.mean(1, keepdim=True), past.std(1, keepdim=True)
        if fixed:
            y = (y - mean) / std
        loss = nn.functional.mse_loss(model((past - mean) / std), y)
        optimizer.zero_grad()
        loss.backward()
        writer.add_diagnostics(loss=loss, global_step=step)
        optimizer.step()
    past, y = _loads(300)
    mean, std = past.mean(1, keepdim=True), past.std(1, keepdim=True)
    with torch.no_grad():
        ahead = model((past - mean) / std)
    return float((ahead * std + mean - y if fixed else ahead - y).abs().mean())


@patient(
    "LD510",
    family="forecasts",
    also=(
        "LD511",
        "LD523",
        "LD104",
        "LD109",
        "LD602",
    ),
    source="https://github.com/sktime/pytorch-forecasting/pull/2362, https://github.com/sktime/pytorch-forecasting/pull/2413",
)
def sixth_windows_scaled_without_their_targets(writer: SummaryWriter) -> None:
    """Each window of the past is brought to mean 0 and deviation 1, and what follows it stays at 100."""
    _forecast(writer)


def _things(count: int) -> tuple[Tensor, Tensor]:
    """Pictures of 12 x 12 with one thing of one of four patterns, and [class, x, y, w, h] in shares."""
    images = 0.1 * torch.randn(count, 12, 12)
    patterns = torch.tensor([[1.0, 1, 1, 1], [1, 0, 0, 1], [1, 0, 1, 0], [1, 1, 0, 0]])
    boxes = torch.zeros(count, 5)
    for i in range(count):
        kind, half = int(torch.randint(4, ())), int(torch.randint(1, 4, ()))
        left, top = (int(torch.randint(13 - 2 * half, ())) for _ in range(2))
        thing = patterns[kind].view(2, 2).repeat_interleave(half, 0).repeat_interleave(half, 1)
        images[i, top : top + 2 * half, left : left + 2 * half] += thing
        boxes[i] = torch.tensor([12.0 * kind, left + half, top + half, 2 * half, 2 * half]) / 12
    return images.unsqueeze(1), boxes


class _Detector(nn.Module):
    """One box for each cell of 3 x 3, with its objectness and class."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(1, 24, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(24, 48, 3, padding=1), nn.ReLU(), nn.Flatten(),
            nn.Linear(48 * 36, 9 * 9),
        )  # fmt: skip

    def forward(self, images: Tensor) -> Tensor:
        cells: Tensor = self.net(images).unflatten(1, (9, 9))
        return cells


def _cell(boxes: Tensor) -> Tensor:
    places = (3 * boxes[:, 1:3]).long().clamp(0, 2)
    return places[:, 1] * 3 + places[:, 0]


def _detection_loss(cells: Tensor, boxes: Tensor, owner: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Of boxes [class, x, y, w, h] that lie in the pictures `owner`."""
    cell = _cell(boxes)
    there = torch.zeros(cells.shape[:2])
    there[owner, cell] = 1.0
    objectness = nn.functional.binary_cross_entropy_with_logits(cells[..., 0], there)
    found = cells[owner, cell]
    box = nn.functional.l1_loss(found[:, 1:5].sigmoid(), boxes[:, 1:])
    kind = nn.functional.cross_entropy(found[:, 5:], boxes[:, 0].long())
    return objectness, box, kind


def _found(model: nn.Module) -> float:
    """Share of new things whose class is named rightly, by a box about where they are."""
    images, boxes = _things(300)
    with torch.no_grad():
        cells = model(images)
    best = cells[torch.arange(300), cells[..., 0].argmax(1)]
    near = (best[:, 1:5].sigmoid() - boxes[:, 1:]).abs().amax(1) < 0.15
    return float((near & (best[:, 5:].argmax(1) == boxes[:, 0].long())).float().mean())


def _mixed(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Detection with mix-up: two pictures are laid over each other, with the boxes of both."""
    model = _Detector()
    optimizer = Adam(model.parameters(), lr=2e-3)
    writer.watch(model, optimizer)
    all_images, all_boxes = _things(1500)
    rows_a, rows_b = torch.arange(24), torch.arange(24)
    for step in range(350):
        first, second = torch.randint(1500, (24,)), torch.randint(1500, (24,))
        lam = float(torch.distributions.Beta(2.0, 2.0).sample())
        images = lam * all_images[first] + (1 - lam) * all_images[second]
        boxes, boxes2 = all_boxes[first], all_boxes[second]
        if not fixed:
            boxes, boxes2 = lam * boxes, (1 - lam) * boxes2
        merged, owner = torch.cat([boxes, boxes2]), torch.cat([rows_a, rows_b])
        objectness, box, kind = _detection_loss(model(images), merged, owner)
        loss = 3 * objectness + 5 * box + kind
        optimizer.zero_grad()
        loss.backward()
        terms = {"objectness": (objectness, 3.0), "box": (box, 5.0), "class": (kind, 1.0)}
        writer.add_diagnostics(loss=loss, loss_terms=terms, global_step=step)
        optimizer.step()
    return _found(model)


@patient(
    NO_CODE,
    family="detection",
    also=(
        "LD523",
        "LD104",
    ),
    source="https://github.com/MultimediaTechLab/YOLO/issues/105",
)
def sixth_boxes_multiplied_like_pictures(writer: SummaryWriter) -> None:
    """Mix-up multiplies the pictures with lambda and the rows [class, x, y, w, h] as well: neither is that of a thing."""
    _mixed(writer)
