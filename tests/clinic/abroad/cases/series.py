"""Forecasts of a series of numbers: recurrent, convolutional, with attention."""

from __future__ import annotations

from collections.abc import Callable

import torch
from clinic.abroad import patient
from clinic.abroad.loops import train
from clinic.case import NO_CODE
from torch import Tensor, nn
from torch.nn.functional import mse_loss
from torch.optim import Adam

from tb_lossdiag import SummaryWriter

PAST = 32


def demand(length: int = 3000) -> Tensor:
    """Days and weeks, a walk, and noise, float32[length] with mean 0 and deviation 1."""
    draw = torch.Generator().manual_seed(0)
    time = torch.arange(float(length))
    walk = torch.randn(length, generator=draw).cumsum(0) * 0.02
    day = (time * 2 * torch.pi / 24).sin() + 0.5 * (time * 2 * torch.pi / 168).cos()
    series = day + walk + 0.1 * torch.randn(length, generator=draw)
    return (series - series.mean()) / series.std()


def windows(series: Tensor, ahead: int = 1) -> tuple[Tensor, Tensor]:
    """All windows float32[N, PAST, 1], and the value so many steps after each, float32[N, 1]."""
    cut = series.unfold(0, PAST + ahead, 1)
    return cut[:, :PAST, None], cut[:, -1:]


class Memory(nn.Module):
    """An LSTM and a head on its last state."""

    def __init__(self, *, batch_first: bool = True) -> None:
        super().__init__()
        self.lstm = nn.LSTM(1, 32, batch_first=batch_first)
        self.head = nn.Linear(32, 1)

    def forward(self, x: Tensor) -> Tensor:
        answer: Tensor = self.head(self.lstm(x)[0][:, -1])
        return answer


class Attention(nn.Module):
    """A transformer over the window."""

    def __init__(self) -> None:
        super().__init__()
        self.enter = nn.Linear(1, 32)
        self.place = nn.Parameter(torch.randn(PAST, 32) * 0.02)
        layer = nn.TransformerEncoderLayer(32, 4, 64, 0.1, batch_first=True, norm_first=True)
        self.layers = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(32, 1)

    def forward(self, x: Tensor) -> Tensor:
        answer: Tensor = self.head(self.layers(self.enter(x) + self.place)[:, -1])
        return answer


def forecast(
    writer: SummaryWriter,
    model: nn.Module,
    loss: Callable[[Tensor, Tensor], Tensor] = mse_loss,
    *,
    series: Tensor | None = None,
    ahead: int = 1,
    rate: float = 3e-3,
    steps: int = 300,
) -> None:
    """Train on the first four fifths, validate on the rest."""
    x, y = windows(demand() if series is None else series, ahead)
    edge = len(x) * 4 // 5

    def of() -> Tensor:
        rows = torch.randint(edge, (64,))
        return loss(model(x[rows]), y[rows])

    def validate() -> Tensor:
        return loss(model(x[edge:]), y[edge:])

    train(writer, model, Adam(model.parameters(), lr=rate), of, steps, validate=validate)


@patient(family="time series")
def the_next_hour_by_memory(writer: SummaryWriter) -> None:
    """An LSTM."""
    forecast(writer, Memory())


@patient(family="time series")
def the_next_hour_by_attention(writer: SummaryWriter) -> None:
    """A transformer."""
    forecast(writer, Attention(), rate=1e-3)


def _quantiles(answer: Tensor, y: Tensor) -> Tensor:
    level = torch.tensor([0.1, 0.5, 0.9])
    over = y - answer
    return torch.maximum(level * over, (level - 1) * over).sum(1).mean()


@patient(family="time series")
def three_quantiles_by_convolution(writer: SummaryWriter) -> None:
    """The pinball loss, written by hand."""
    model = nn.Sequential(
        nn.Flatten(), nn.Unflatten(1, (1, PAST)), nn.Conv1d(1, 16, 5), nn.ReLU(),
        nn.Conv1d(16, 16, 5), nn.ReLU(), nn.Flatten(), nn.Linear(16 * 24, 3),
    )  # fmt: skip
    forecast(writer, model, _quantiles, rate=1e-3)


@patient(family="time series")
def a_series_that_hardly_moves(writer: SummaryWriter) -> None:
    """The next value is the last one but for a thousandth: no better forecast is known, and it is no answer."""
    levels = torch.randn(600, 1, 1)
    moves = 1e-3 * torch.randn(600, PAST + 1, 1).cumsum(1)
    rows = levels + moves
    model = nn.Sequential(nn.Flatten(), nn.Linear(PAST, 32), nn.ReLU(), nn.Linear(32, 1))

    def of() -> Tensor:
        part = rows[torch.randint(len(rows), (64,))]
        return mse_loss(model(part[:, :-1]), part[:, -1])

    train(writer, model, Adam(model.parameters(), lr=3e-3), of, 300)


@patient(
    "LD718",
    family="time series",
    source="pytorch/pytorch issue 1538, AndersonJo/dqn-pytorch issue 1, mariusbock/dl-for-har issue 11",
)
def batch_and_time_change_places(writer: SummaryWriter) -> None:
    """`batch_first` is forgotten: the memory runs over the batch."""
    forecast(writer, Memory(batch_first=False))


@patient("LD510", family="time series", source="sktime/pytorch-forecasting issues 649, 1")
def sales_in_the_ten_thousands(writer: SummaryWriter) -> None:
    """Neither inputs nor targets are scaled."""
    forecast(writer, Memory(), series=20000 + 5000 * demand())


@patient(
    "LD504",
    family="time series",
    source="Photon-AI-Research/NeuralSolvers issue 20, deepset-ai/FARM issue 229",
)
def a_row_of_targets_for_a_column(writer: SummaryWriter) -> None:
    """Targets of shape (64,) beside answers of shape (64, 1)."""
    forecast(writer, Memory(), lambda answer, y: mse_loss(answer, y.squeeze(1)))


@patient(
    "LD526",
    "LD514",
    family="time series",
    hard=True,
    source="arXiv 2207.07048 (leakage in forecasts)",
)
def the_answer_is_in_the_window(writer: SummaryWriter) -> None:
    """The target is the window's last value: an index is off by one."""
    x, _ = windows(demand())
    model = Memory()

    def of() -> Tensor:
        part = x[torch.randint(len(x), (64,))]
        return mse_loss(model(part), part[:, -1])

    train(writer, model, Adam(model.parameters(), lr=3e-3), of, 300)


@patient(
    "LD626",
    "LD108",
    NO_CODE,
    family="time series",
    source="JulesBelveze/time-series-autoencoder issue 41",
)
def only_the_training_is_scaled(writer: SummaryWriter) -> None:
    """The held-out part of the series is given as it was measured."""
    scaled = demand()
    x, y = windows(scaled)
    model, edge = Memory(), len(x) * 4 // 5

    def of() -> Tensor:
        rows = torch.randint(edge, (64,))
        return mse_loss(model(x[rows]), y[rows])

    def validate() -> Tensor:
        return mse_loss(model(x[edge:] * 40 + 200), y[edge:] * 40 + 200)

    train(writer, model, Adam(model.parameters(), lr=3e-3), of, 300, validate=validate)
