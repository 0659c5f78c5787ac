"""What batch normalisation remembers: momentum as another library counts it, and large shares of the newest batch that do no harm."""

from __future__ import annotations

from clinic.abroad import patient
from clinic.abroad.loops import train
from clinic.data import friedman, square_digits
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss
from torch.optim import Adam

from tb_lossdiag import SummaryWriter


def _pictures(momentum: float) -> nn.Sequential:
    """Three convolutions, each normalised."""
    sizes = ((1, 16), (16, 32), (32, 32))
    layers = [
        layer
        for before, after in sizes
        for layer in (
            nn.Conv2d(before, after, 3, padding=1, bias=False),
            nn.BatchNorm2d(after, momentum=momentum),
            nn.ReLU(),
        )
    ]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(128, 10))


def _learn(writer: SummaryWriter, momentum: float, batch: int, steps: int = 400) -> None:
    digits, held_out = square_digits()
    model = _pictures(momentum)
    batches = digits.batches(steps, batch)

    def loss() -> Tensor:
        x, y = next(batches)
        return cross_entropy(model(x), y)

    train(
        writer, model, Adam(model.parameters(), 1e-3), loss, steps,
        validate=lambda: cross_entropy(model(held_out.x), held_out.y),
    )  # fmt: skip


def _rows(writer: SummaryWriter, momentum: float, batch: int) -> None:
    """A regression of ten columns."""
    seen, held_out = friedman().split(800)
    layers = [
        layer
        for before, after in ((10, 48), (48, 48))
        for layer in (
            nn.Linear(before, after),
            nn.BatchNorm1d(after, momentum=momentum),
            nn.ReLU(),
        )
    ]
    model = nn.Sequential(*layers, nn.Linear(48, 1))
    batches = seen.batches(600, batch)

    def loss() -> Tensor:
        x, y = next(batches)
        return mse_loss(model(x), y)

    train(
        writer, model, Adam(model.parameters(), 3e-3), loss, 600,
        validate=lambda: mse_loss(model(held_out.x), held_out.y),
    )  # fmt: skip


@patient(
    "LD727",
    "LD622",
    family="normalisation",
    source="eriklindernoren/PyTorch-YOLOv3 issue 230, kazuto1011/deeplab-pytorch issue 79",
)
def rows_by_sixteens_of_which_the_last_count(writer: SummaryWriter) -> None:
    """0.99 is what TensorFlow would keep: here it is what the newest sixteen rows get."""
    _rows(writer, 0.99, 16)


@patient(family="normalisation")
def rows_by_sixteens(writer: SummaryWriter) -> None:
    """The same with a tenth, which is PyTorch's default."""
    _rows(writer, 0.1, 16)


@patient(family="normalisation")
def rows_by_four_hundreds_of_which_the_last_count(writer: SummaryWriter) -> None:
    """So many rows are nearly all of them."""
    _rows(writer, 0.99, 400)


@patient(family="normalisation")
def pictures_by_fours_of_which_the_last_count(writer: SummaryWriter) -> None:
    """A momentum of 0.99 with four pictures, whose places are 256 values for a channel: enough here, the validation goes its way calmly."""
    _learn(writer, 0.99, 4)


@patient(family="normalisation")
def pictures_by_fours(writer: SummaryWriter) -> None:
    """The same with a hundredth."""
    _learn(writer, 0.01, 4, 700)


@patient(family="normalisation")
def half_of_the_statistics_at_once(writer: SummaryWriter) -> None:
    """A momentum of 0.5 remembers three batches."""
    _learn(writer, 0.5, 16)


@patient(family="normalisation")
def batches_that_know_their_statistics(writer: SummaryWriter) -> None:
    """A momentum of 0.99 and 256 pictures a batch: the newest is as good as all."""
    _learn(writer, 0.99, 256, 150)
