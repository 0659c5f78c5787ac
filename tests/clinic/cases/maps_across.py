"""Maps as targets, some with width and height in each other's place; tasks that come close to it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from clinic.case import case
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss
from torch.optim import Adam

from tb_lossdiag import SummaryWriter

Pairs = tuple[Tensor, Tensor]
Cost = Callable[[Tensor, Tensor], Tensor]


def _bars(count: int) -> Pairs:
    """Noisy pictures real[N, 1, 16, 16] of lying bars, and masks of them int[N, 16, 16]."""
    mask = torch.zeros(count, 16, 16, dtype=torch.int64)
    for row, (top, left) in enumerate(torch.randint(0, 9, (count, 2)).tolist()):
        mask[row, top : top + 3, left : left + 7] = 1
    return mask[:, None] + 0.3 * torch.randn(count, 1, 16, 16), mask


def _squares(count: int) -> Pairs:
    """Squares on the diagonal, which are the same with width and height in each other's place."""
    mask = torch.zeros(count, 16, 16, dtype=torch.int64)
    for row, corner in enumerate(torch.randint(0, 11, (count,)).tolist()):
        mask[row, corner : corner + 5, corner : corner + 5] = 1
    return mask[:, None] + 0.3 * torch.randn(count, 1, 16, 16), mask


def _convolved(outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 12, 5, padding=2), nn.ReLU(), nn.Conv2d(12, 12, 5, padding=2), nn.ReLU(),
        nn.Conv2d(12, outputs, 1),
    )  # fmt: skip


def _dense() -> nn.Sequential:
    return nn.Sequential(
        nn.Flatten(), nn.Linear(256, 128), nn.ReLU(), nn.Linear(128, 256), nn.Unflatten(1, (1, 16, 16)),
    )  # fmt: skip


def _overlap(said: Tensor, asked: Tensor) -> Tensor:
    """Dice's loss by hand, of real[N, 1, 16, 16]."""
    p = said.sigmoid()
    both, all_ = (p * asked).sum((1, 2, 3)), p.sum((1, 2, 3)) + asked.sum((1, 2, 3))
    return 1 - ((2 * both + 1) / (all_ + 1)).mean()


def _squared(said: Tensor, asked: Tensor) -> Tensor:
    return (said - asked).square().mean()


def _trained(writer: SummaryWriter, model: nn.Module, data: Pairs, cost: Cost) -> None:
    x, y = data
    optimizer = Adam(model.parameters(), lr=2e-3)
    writer.watch(model, optimizer)
    for step, rows in enumerate(torch.randint(len(x), (200, 24))):
        loss = cost(model(x[rows]), y[rows])
        optimizer.zero_grad()
        loss.backward()
        writer.add_diagnostics(loss=loss, global_step=step)
        optimizer.step()


@case("LD546", also=("LD104",), family="segmentation")
def masks_of_width_by_height(writer: SummaryWriter) -> None:
    """Masks were made as [width, height], and a convolutional network is asked for them."""
    x, y = _bars(300)
    _trained(writer, _convolved(2), (x, y.mT), cross_entropy)


@case("LD546", also=("LD104",), family="segmentation")
def an_overlap_of_width_by_height(writer: SummaryWriter) -> None:
    """The same with one channel and an overlap by hand."""
    x, y = _bars(300)
    _trained(writer, _convolved(1), (x, y.mT[:, None].float()), _overlap)


@case(family="segmentation")
def masks_of_height_by_width(writer: SummaryWriter) -> None:
    """Masks lie as the pictures do."""
    _trained(writer, _convolved(2), _bars(300), cross_entropy)


@case(family="segmentation")
def masks_that_are_the_same_across(writer: SummaryWriter) -> None:
    """Squares on the diagonal."""
    _trained(writer, _convolved(2), _squares(300), cross_entropy)


@case(family="autoencoders")
def pictures_that_are_drawn_again(writer: SummaryWriter) -> None:
    """An autoencoder, by hand."""
    x, _ = _bars(300)
    _trained(writer, _dense(), (x, x), _squared)


@case(family="inverse problems")
def a_network_that_shall_turn_matrices(writer: SummaryWriter) -> None:
    """A dense network is asked for the transposed matrix, and for nothing else."""
    x, _ = _bars(300)
    _trained(writer, _dense(), (x, x.mT), mse_loss)


@case(family="depth")
def depth_that_colours_hardly_tell(writer: SummaryWriter) -> None:
    """How far each place is from the middle of the bar, which is no matter of its colour."""
    x, y = _bars(300)
    at = torch.arange(16.0)
    rows = (y.float().sum(2) * at).sum(1) / y.sum((1, 2))
    depth = (at[:, None] - rows[:, None, None]).abs().expand(-1, 16, 16) / 16
    _trained(writer, _convolved(1), (x, depth[:, None].contiguous()), _squared)


@case(family="heatmaps")
def corners_as_heatmaps(writer: SummaryWriter) -> None:
    """A bright spot of the upper left corner of each bar."""
    x, y = _bars(300)
    first = y.flatten(1).argmax(1)
    at = torch.arange(16.0)
    rows, columns = (first // 16)[:, None], (first % 16)[:, None]
    heat = (-((at - rows) ** 2)[:, :, None] / 4 - ((at - columns) ** 2)[:, None] / 4).exp()
    _trained(writer, _convolved(1), (x, heat[:, None]), mse_loss)
