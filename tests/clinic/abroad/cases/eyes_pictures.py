"""Seen by EYES: pictures, masks, boxes and captions, after public reports, and the same programs as they should be.

What is right was written down before any of them was run.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from clinic.abroad import patient
from clinic.abroad.loops import train
from clinic.data import square_digits
from torch import Tensor, nn
from torch.nn.functional import (
    avg_pool2d,
    cross_entropy,
    interpolate,
    l1_loss,
    logsigmoid,
    mse_loss,
    one_hot,
)
from torch.optim import SGD, Adam, AdamW

from tb_lossdiag import SummaryWriter


def _discs(count: int, size: int = 16) -> tuple[Tensor, Tensor]:
    """Noisy grey pictures with a bright disc each, and its mask of 0 and 1."""
    grid = torch.arange(size, dtype=torch.float32)
    centre = 3 + (size - 6) * torch.rand(count, 2, 1, 1)
    radius = 2 + 2 * torch.rand(count, 1, 1)
    far = ((grid[:, None] - centre[:, 0]) ** 2 + (grid - centre[:, 1]) ** 2).sqrt()
    mask = (far < radius).float()[:, None]
    return (0.2 + 0.5 * mask + 0.25 * torch.randn_like(mask)).clamp(0, 1), mask


class _Block(nn.Module):
    """Twice a convolution, a normalisation and a ReLU."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(before, after, 3, 1, 1), nn.Conv2d(after, after, 3, 1, 1)
        self.bn1, self.bn2 = nn.BatchNorm2d(after), nn.BatchNorm2d(after)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.bn2(self.conv2(self.bn1(self.conv1(x)).relu()))
        return out.relu()


class _Unet(nn.Module):
    """Once down and once up; `last` is what its head ends in."""

    def __init__(self, last: Callable[[Tensor], Tensor] | None = None) -> None:
        super().__init__()
        self.down, self.deep, self.up = _Block(1, 12), _Block(12, 24), _Block(36, 12)
        self.head, self.last = nn.Conv2d(12, 1, 1), last

    def forward(self, x: Tensor) -> Tensor:
        fine = self.down(x)
        coarse = interpolate(self.deep(avg_pool2d(fine, 2)), scale_factor=2.0)
        out: Tensor = self.head(self.up(torch.cat([fine, coarse], 1)))
        return out if self.last is None else self.last(out)


def _masked(writer: SummaryWriter, *, divided: bool) -> None:
    """Segmentation whose masks were stored as pictures, with a binary cross-entropy of one's own."""
    net = _Unet()

    def loss() -> Tensor:
        x, mask = _discs(24)
        stored = (255 * mask).to(torch.uint8)
        y = stored.float() / 255 if divided else stored.float()
        z = net(x)
        return -(y * logsigmoid(z) + (1 - y) * logsigmoid(-z)).mean()

    train(writer, net, Adam(net.parameters(), 1e-3), loss, 250)


@patient(
    "LD506",
    "LD110",
    also=("LD608", "LD102"),
    family="segmentation",
    source="https://github.com/milesial/Pytorch-UNet/issues/78",
)
def eyes_masks_of_0_and_255(writer: SummaryWriter) -> None:
    """Masks are read as 0 and 255 and nobody divides: the binary cross-entropy falls below nought and on."""
    _masked(writer, divided=False)


@patient(family="segmentation")
def eyes_masks_of_0_and_1(writer: SummaryWriter) -> None:
    """The same, divided by 255."""
    _masked(writer, divided=True)


def _defects(writer: SummaryWriter, last: Callable[[Tensor], Tensor] | None) -> None:
    """Segmentation with torch's loss of logits; validated each 50 steps."""
    net = _Unet(last)
    criterion = nn.BCEWithLogitsLoss()
    held_out = _discs(100)

    def loss() -> Tensor:
        x, mask = _discs(24)
        out: Tensor = criterion(net(x), mask)
        return out

    def validate() -> Tensor:
        out: Tensor = criterion(net(held_out[0]), held_out[1])
        return out

    train(writer, net, Adam(net.parameters(), 1e-3), loss, 250, validate=validate, every=50)


@patient(
    "LD511",
    also=("LD701", "LD104"),
    family="segmentation",
    source="https://github.com/mengcius/Surface-Defect-Detection/issues/3",
)
def eyes_scores_behind_a_relu(writer: SummaryWriter) -> None:
    """The segmenting head ends in the ReLU of all other blocks: no pixel can be less likely than a half."""
    _defects(writer, torch.relu)


@patient(family="segmentation")
def eyes_scores_as_they_are(writer: SummaryWriter) -> None:
    """The same without a ReLU at the end."""
    _defects(writer, None)


def _coloured(count: int, size: int = 16) -> tuple[Tensor, Tensor]:
    """Pictures as cameras' libraries give them, uint8[N, H, W, 3]: a smooth background, and a disc, a square or a bar."""
    grid = torch.arange(size, dtype=torch.float32)
    kind = torch.randint(3, (count,))
    y, x = (4 + (size - 8) * torch.rand(2, count, 1, 1)).unbind(0)
    dy, dx = (grid[:, None] - y).abs(), (grid - x).abs()
    shapes = torch.stack(
        [(dy**2 + dx**2 < 12).expand(count, size, size),
         (torch.maximum(dy, dx) < 3), (dy < 1.5) & (dx < 5.5)], 1
    )  # fmt: skip
    inside = shapes[torch.arange(count), kind][..., None].float()
    slope = torch.randn(count, 1, 1, 3) * (grid[:, None, None] / size - 0.5)
    back = torch.rand(count, 1, 1, 3) * 0.6 + 0.2 + 0.2 * slope
    fore = torch.rand(count, 1, 1, 3)
    picture = inside * fore + (1 - inside) * back + 0.02 * torch.randn(count, size, size, 3)
    return (255 * picture.clamp(0, 1)).to(torch.uint8), kind


def _cameras(writer: SummaryWriter, *, permuted: bool) -> None:
    """Which shape is there: convolutions over pictures that come with their colours last."""
    net = nn.Sequential(
        nn.Conv2d(3, 16, 3, 1, 1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, 1, 1), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 32, 3, 1, 1), nn.ReLU(), nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(32, 3),
    )  # fmt: skip

    def loss() -> Tensor:
        shown, kind = _coloured(48)
        x = shown.float() / 255
        x = x.permute(0, 3, 1, 2) if permuted else x.reshape(-1, 3, *x.shape[1:3])
        return cross_entropy(net(x), kind)

    train(writer, net, AdamW(net.parameters(), 3e-3), loss, 300)


@patient(
    "LD547",
    family="vision",
    source="https://github.com/Selen-Suyue/DensePolicy2D/issues/3",
)
def eyes_pictures_put_into_shape(writer: SummaryWriter) -> None:
    """`reshape(-1, 3, H, W)` of pictures whose colours come last: neighbours are three pixels of a third of a row."""
    _cameras(writer, permuted=False)


@patient(family="vision")
def eyes_pictures_in_order(writer: SummaryWriter) -> None:
    """The same with `permute`."""
    _cameras(writer, permuted=True)


class _Captioner(nn.Module):
    """A net over pictures whose places are attended to by a recurrent writer."""

    def __init__(self, *, permuted: bool) -> None:
        super().__init__()
        self.permuted = permuted
        self.conv = nn.Sequential(
            nn.Conv2d(1, 16, 3, 1, 1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 3, 1, 1), nn.ReLU(),
        )  # fmt: skip
        self.start, self.ask = nn.Parameter(torch.zeros(48)), nn.Linear(48, 32)
        self.cell, self.word = nn.GRUCell(32 + 10, 48), nn.Linear(48, 10)

    def _places(self, x: Tensor) -> Tensor:
        seen: Tensor = self.conv(x)
        batch, features, height, width = seen.shape
        if self.permuted:
            return seen.permute(0, 2, 3, 1).reshape(batch, -1, features)
        return seen.reshape(batch, height * width, features)

    def forward(self, x: Tensor, said: Tensor) -> Tensor:
        places, state = self._places(x), self.start.expand(len(x), -1)
        answers = []
        for before in one_hot(said, 10).float().unbind(1):
            alike = torch.einsum("bpf,bf->bp", places, self.ask(state)) / 32**0.5
            looked = torch.einsum("bp,bpf->bf", alike.softmax(1), places)
            state = self.cell(torch.cat([looked, before], 1), state)
            answers.append(self.word(state))
        return torch.stack(answers, 1)


def _captions(writer: SummaryWriter, *, permuted: bool) -> None:
    """Two digits side by side are to be said one after the other."""
    data, _ = square_digits()
    net = _Captioner(permuted=permuted)

    def loss() -> Tensor:
        left, right = torch.randint(len(data.y), (2, 48))
        x = torch.cat([data.x[left], data.x[right]], 3)
        y = torch.stack([data.y[left], data.y[right]], 1)
        said = torch.stack([torch.zeros_like(y[:, 0]), y[:, 0]], 1)
        return cross_entropy(net(x, said).flatten(0, 1), y.flatten())

    train(writer, net, Adam(net.parameters(), 3e-3), loss, 300)


@patient(
    "LD547",
    family="captioning",
    source="https://github.com/fawazsammani/knowing-when-to-look-adaptive-attention/issues/6",
    hard=True,
)
def eyes_features_as_places(writer: SummaryWriter) -> None:
    """[B, features, H, W] becomes [B, places, features] by `view` alone: what is attended to is torn out of several features' maps."""
    _captions(writer, permuted=False)


@patient(family="captioning")
def eyes_places_in_order(writer: SummaryWriter) -> None:
    """The same with `permute` before."""
    _captions(writer, permuted=True)


class _Probe:
    """Keeps what layers return, as a hook."""

    def __init__(self, *, detached: bool) -> None:
        self.kept: list[Tensor] = []
        self.detached = detached

    def __call__(self, _module: nn.Module, _inputs: object, output: Tensor) -> None:
        self.kept.append(output.detach() if self.detached else output)

    def taken(self) -> list[Tensor]:
        kept, self.kept = self.kept, []
        return kept


def _judge_of_features() -> nn.Sequential:
    """Convolutions that learned to tell digits, and learn no more."""
    data, _ = square_digits()
    net = nn.Sequential(
        nn.Conv2d(1, 12, 3, 1, 1), nn.ReLU(), nn.Conv2d(12, 24, 3, 2, 1), nn.ReLU(),
        nn.Flatten(), nn.Linear(384, 10),
    )  # fmt: skip
    optimizer = Adam(net.parameters(), 2e-3)
    for x, y in data.batches(150):
        optimizer.zero_grad()
        cross_entropy(net(x), y).backward()
        optimizer.step()
    return net.eval().requires_grad_(requires_grad=False)


def _sharpened(writer: SummaryWriter, *, detached: bool) -> None:
    """Digits of 4 x 4 pixels become 8 x 8, by pixels and by what a trained net sees in them."""
    data, _ = square_digits()
    judge, probe = _judge_of_features(), _Probe(detached=detached)
    for layer in (judge[1], judge[3]):
        layer.register_forward_hook(probe)
    net = nn.Sequential(
        nn.Conv2d(1, 32, 3, 1, 1), nn.PReLU(), nn.Conv2d(32, 32, 3, 1, 1), nn.PReLU(),
        nn.Conv2d(32, 4, 3, 1, 1), nn.PixelShuffle(2),
    )  # fmt: skip
    batches = data.batches(300, 32)

    def losses() -> tuple[Tensor, dict[str, Tensor | tuple[Tensor, float]]]:
        sharp = next(batches)[0]
        made = net(avg_pool2d(sharp, 2))
        judge(sharp)
        real = probe.taken()
        judge(made)
        felt = torch.stack([mse_loss(a, b) for a, b in zip(probe.taken(), real, strict=True)])
        pixels, perceived = l1_loss(made, sharp), felt.sum()
        return pixels + 0.5 * perceived, {"l1": pixels, "perceptual": (perceived, 0.5)}

    train(writer, net, Adam(net.parameters(), 1e-3), losses, 300)


@patient(
    "LD404", family="super-resolution", source="https://github.com/myscience/open-genie/issues/6"
)
def eyes_features_recorded_without_gradient(writer: SummaryWriter) -> None:
    """The hook that records features for a perceptual loss detaches them: the term has a value and moves nothing."""
    _sharpened(writer, detached=True)


@patient(family="super-resolution")
def eyes_features_recorded_with_gradient(writer: SummaryWriter) -> None:
    """The same without `detach`."""
    _sharpened(writer, detached=False)


ANCHORS = torch.tensor([[0.15, 0.15], [0.3, 0.3], [0.45, 0.25]])
"""Widths and heights, as parts of the picture."""


def _scenes(count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Pictures with one bright or half-bright box each, the box (cx, cy, w, h) in parts of the picture, and which it is."""
    grid = (torch.arange(16) + 0.5) / 16
    size = ANCHORS[torch.randint(3, (count,))] * (0.85 + 0.3 * torch.rand(count, 2))
    centre = size / 2 + (1 - size) * torch.rand(count, 2)
    kind = torch.randint(2, (count,))
    within = ((grid - centre[:, :1]).abs() < size[:, :1] / 2)[:, None, :]
    within = within & ((grid - centre[:, 1:]).abs() < size[:, 1:] / 2)[:, :, None]
    bright = (0.5 + 0.5 * kind)[:, None, None]
    x = (within * bright + 0.1 * torch.randn(count, 16, 16))[:, None]
    return x, torch.cat([centre, size], 1), kind


class _Yolo(nn.Module):
    """For each of 4 x 4 cells and 3 anchors a box, whether there is one, and which."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, 24, 3, 1, 1), nn.BatchNorm2d(24), nn.LeakyReLU(0.1), nn.MaxPool2d(2),
            nn.Conv2d(24, 32, 3, 1, 1), nn.BatchNorm2d(32), nn.LeakyReLU(0.1), nn.MaxPool2d(2),
            nn.Conv2d(32, 48, 3, 1, 1), nn.BatchNorm2d(48), nn.LeakyReLU(0.1), nn.Conv2d(48, 21, 1),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.body(x)
        return out.view(len(out), 3, 7, *out.shape[2:]).permute(0, 1, 3, 4, 2)


def _shared(box: Tensor, anchors: Tensor) -> Tensor:
    """Intersection over union of widths and heights."""
    both = torch.minimum(box[:, None], anchors).prod(2)
    return both / (box.prod(1)[:, None] + anchors.prod(1) - both)


def _parts(out: Tensor, box: Tensor, kind: Tensor, anchors: Tensor) -> dict[str, Tensor]:
    """The losses of boxes, of being there and of classes, as ultralytics' first yolov3 had them."""
    box_loss, class_loss = torch.zeros(1), torch.zeros(1)
    row, anchor = (_shared(box[:, 2:], anchors) > 0.4).nonzero(as_tuple=True)
    there = torch.zeros_like(out[..., 0])
    if len(row):
        place = (box[row, :2] * 4).clamp(0, 3.999)
        column, line = place.long().unbind(1)
        there[row, anchor, line, column] = 1
        chosen = out[row, anchor, line, column]
        size = (box[row, 2:] / anchors[anchor]).log()
        box_loss = mse_loss(chosen[:, :2].sigmoid(), place.frac()) + mse_loss(chosen[:, 2:4], size)
        class_loss = cross_entropy(chosen[:, 5:], kind[row])
    found = nn.functional.binary_cross_entropy_with_logits(out[..., 4], there)
    return {"box": box_loss.sum(), "obj": found, "cls": class_loss.sum()}


def _anchored(writer: SummaryWriter, *, fixed: bool) -> None:
    """A detector with three anchors; `fixed` keeps them in the unit of the boxes."""
    net = _Yolo()
    anchors = ANCHORS if fixed else ANCHORS * 416 / 32
    optimizer = SGD(net.parameters(), 0.05, momentum=0.9)

    def losses() -> tuple[Tensor, dict[str, Tensor | tuple[Tensor, float]]]:
        x, box, kind = _scenes(32)
        parts = _parts(net(x), box, kind, anchors)
        return torch.stack([*parts.values()]).sum(), {**parts}

    train(writer, net, optimizer, losses, 250)


@patient(
    "LD506",
    "LD406",
    "LD404",
    "LD114",
    family="detection",
    source="https://github.com/ultralytics/yolov3/issues/1673",
)
def eyes_anchors_in_another_unit(writer: SummaryWriter) -> None:
    """Boxes are parts of the picture and anchors count cells: none is alike enough, so that nothing is ever to be found."""
    _anchored(writer, fixed=False)


@patient(family="detection")
def eyes_anchors_in_the_same_unit(writer: SummaryWriter) -> None:
    """The same with both as parts of the picture."""
    _anchored(writer, fixed=True)
