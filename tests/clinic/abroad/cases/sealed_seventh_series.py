"""The seventh lot: sounds and series."""

from __future__ import annotations

import torch
from clinic.abroad import patient
from torch import Tensor, nn
from torch.optim import Adam, AdamW

from tb_lossdiag import SummaryWriter


def _sounds(count: int) -> tuple[Tensor, Tensor]:
    """Noisy waves of 256 samples of four kinds: low or high, steady or beating."""
    kind = torch.randint(4, (count,))
    pace = torch.where(kind % 2 == 0, 0.25, 0.45)[:, None] * (0.9 + 0.2 * torch.rand(count, 1))
    time = torch.arange(256.0)
    wave = (pace * time + 6.28 * torch.rand(count, 1)).sin()
    beat = 0.5 + 0.5 * (0.1 * time + 6.28 * torch.rand(count, 1)).sin()
    wave = torch.where(kind[:, None] < 2, wave, wave * beat)
    return (wave + 0.7 * torch.randn(count, 256))[:, None], kind


class _FilterBank(nn.Module):
    """A bank of filters per octave, learnt."""

    def __init__(self, *, fixed: bool) -> None:
        super().__init__()
        octaves = [nn.Conv1d(1, 6, 32, stride=4, padding=16, dilation=d) for d in (1, 2, 3)]
        self.conv1ds = nn.ModuleList(octaves) if fixed else octaves

    def forward(self, x: Tensor) -> Tensor:
        parts = [conv(x).relu() for conv in self.conv1ds]
        return torch.cat([torch.cat([p.mean(2), p.std(2)], 1) for p in parts], 1)


def _audio(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Accuracy on new sounds."""
    x, y = _sounds(1200)
    model = nn.Sequential(_FilterBank(fixed=fixed), nn.Linear(36, 4))
    optimizer = Adam(model.parameters(), lr=5e-3)
    writer.watch(model, optimizer)
    for step, rows in enumerate(torch.randint(1200, (300, 64))):
        loss = nn.functional.cross_entropy(model(x[rows]), y[rows])
        optimizer.zero_grad()
        loss.backward()
        writer.add_diagnostics(loss=loss, global_step=step)
        optimizer.step()
    x, y = _sounds(600)
    with torch.no_grad():
        return float((model(x).argmax(1) == y).float().mean())


@patient("LD624", family="audio", source="https://github.com/kymatio/murenn/issues/42")
def seventh_filters_in_a_python_list(writer: SummaryWriter) -> None:
    """The filters of three octaves are kept in a plain list: no parameters of the model, and never learnt; only the head is."""
    _audio(writer)


def _trade(count: int, *, scaled: bool) -> tuple[Tensor, Tensor]:
    """A year of three indicators on scales of their own, and the trade of the next month."""
    months = torch.arange(12.0)
    phase, level = 6.28 * torch.rand(count, 1), torch.rand(count, 1)
    season = (0.5 * months + phase).sin()
    oil = 80 + 20 * season + 2 * torch.randn(count, 12)
    volume = 8e6 * (1 + 0.3 * level) + 1e5 * torch.randn(count, 12)
    trade = 40_000 * (1 + 0.3 * level + 0.2 * season) + 400 * torch.randn(count, 12)
    target = 40_000 * (1 + 0.3 * level + 0.2 * (0.5 * 12 + phase).sin())
    x = torch.stack([oil, volume, trade], 2)
    if scaled:
        x = (x - x.mean((0, 1))) / x.std((0, 1))
        target = (target - target.mean()) / target.std()
    return x, target


class _LSTM(nn.Module):
    """Reads a year, names the next month."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm, self.linear = nn.LSTM(3, 20, num_layers=2, batch_first=True), nn.Linear(20, 1)

    def forward(self, x: Tensor) -> Tensor:
        value: Tensor = self.linear(self.lstm(x)[0][:, -1])
        return value


def _nowcast(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Squared error against the variance."""
    x, y = _trade(600, scaled=fixed)
    model = _LSTM()
    optimizer = AdamW(model.parameters(), lr=1e-2)
    writer.watch(model, optimizer)
    for step, rows in enumerate(torch.randint(500, (400, 30))):
        loss = nn.functional.mse_loss(model(x[rows]), y[rows])
        optimizer.zero_grad()
        loss.backward()
        writer.add_diagnostics(loss=loss, global_step=step)
        optimizer.step()
    with torch.no_grad():
        return float(nn.functional.mse_loss(model(x[500:]), y[500:]) / y.var())


@patient(
    "LD510",
    also=("LD104", "LD109", "LD523", "LD705"),
    family="series",
    source="https://github.com/dhopp1/nowcast_lstm/issues/12",
)
def seventh_dollars_barrels_and_millions(writer: SummaryWriter) -> None:
    """A forecast from prices near 80, volumes near 8 000 000 and trade near 40 000, none of them scaled, nor what is foretold."""
    _nowcast(writer)
