"""The eighth lot: series."""

from __future__ import annotations

import torch
from clinic.abroad import patient
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812
from torch.optim import Adam

from tb_lossdiag import SummaryWriter


def _loads(count: int) -> tuple[Tensor, Tensor]:
    """Forty hours of what a town draws, 50 to 900 MW, and the eight that follow."""
    level, swing = 100 + 500 * torch.rand(count, 1), 20 + 60 * torch.rand(count, 1)
    hour = torch.arange(48.0) + 24 * torch.rand(count, 1)
    load = level + swing * (hour * 0.2618).sin() + 0.3 * swing * (hour * 0.5236).sin()
    load = load + 0.05 * swing * torch.randn(count, 48)
    return load[:, :40], load[:, 40:]


class _Reversible(nn.Module):
    """Each window is brought to mean 0 and deviation 1, and what is foretold is brought back."""

    def __init__(self, *, fixed: bool) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(40, 96), nn.ReLU(), nn.Linear(96, 96), nn.ReLU(), nn.Linear(96, 8)
        )
        self.weight, self.bias = nn.Parameter(torch.ones(1)), nn.Parameter(torch.zeros(1))
        self.fixed = fixed

    def forward(self, x: Tensor) -> Tensor:
        mean, stdev = x.mean(1, keepdim=True), x.std(1, keepdim=True) + 1e-5
        x = x - mean
        if self.fixed:
            x = x / stdev
        y: Tensor = (self.net(x * self.weight + self.bias) - self.bias) / (self.weight + 1e-10)
        return y * stdev + mean


def _draw(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Squared error of new towns, in squares of their own deviation."""
    x, y = _loads(800)
    model = _Reversible(fixed=fixed)
    optimizer = Adam(model.parameters(), lr=1e-3)
    writer.watch(model, optimizer)
    for step, rows in enumerate(torch.randint(800, (350, 32))):
        loss = F.mse_loss(model(x[rows]), y[rows])
        optimizer.zero_grad()
        loss.backward()
        writer.add_diagnostics(loss=loss, global_step=step)
        optimizer.step()
    x, y = _loads(200)
    with torch.no_grad():
        return float(((model(x) - y) / x.std(1, keepdim=True)).square().mean())


@patient(
    "LD510",
    also=("LD106", "LD202", "LD508", "LD109", "LD203"),
    family="series",
    source="https://github.com/WenjieDu/PyPOTS/issues/453",
)
def eighth_centred_and_not_scaled(writer: SummaryWriter) -> None:
    """RevIN takes off the mean, forgets to divide by the deviation, and multiplies by it in the end: the net gets and gives tens of megawatts."""
    _draw(writer)
