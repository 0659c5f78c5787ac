"""Series that are viewed where they should be transposed, and pieces of one series, for which that is right."""

from __future__ import annotations

import torch
from clinic.case import case
from clinic.data import Batches, waves
from clinic.loops import fit
from torch import Tensor, nn
from torch.nn.functional import mse_loss
from torch.optim import Adam

from tb_lossdiag import SummaryWriter

_ROWS, _LENGTH = 16, 40


class _Viewed(nn.Module):
    """Makes (time, batch, 1) of (batch, time, 1) by a view, which keeps the order in memory."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn, self.head = nn.GRU(1, 24), nn.Linear(24, 1)

    def forward(self, x: Tensor) -> Tensor:
        states = self.rnn(x.view(x.shape[1], x.shape[0], 1))[0]
        answer: Tensor = self.head(states).view(x.shape)
        return answer


@case(
    "LD718",
    family="RNN",
    source="pytorch/pytorch issue 1538 and forum threads on view for transpose",
)
def curves_are_viewed_and_not_transposed(writer: SummaryWriter) -> None:
    data, model = waves(_LENGTH), _Viewed()
    fit(writer, model, Adam(model.parameters(), lr=3e-3), data.batches(400, _ROWS), mse_loss)


class _OneSeries(nn.Module):
    """Puts the rows one behind the other again, and reads them as the one series that they are."""

    def __init__(self) -> None:
        super().__init__()
        self.reader, self.head = nn.Conv1d(1, 16, 9), nn.Conv1d(16, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        line = nn.functional.pad(x.reshape(1, 1, -1), (8, 0))
        answer: Tensor = self.head(self.reader(line).relu()).reshape(x.shape)
        return answer


@case(family="CNN")
def pieces_of_one_series_are_joined(writer: SummaryWriter) -> None:
    """What a row begins with belongs to the end of the one before."""
    torch.manual_seed(0)
    model = _OneSeries()

    def pieces() -> Batches:
        for _ in range(400):
            at = torch.rand(()) * 100 + 0.3 * torch.arange(_ROWS * _LENGTH + 1)
            line = at.sin() + 0.05 * torch.randn(len(at))
            yield line[:-1].view(_ROWS, _LENGTH, 1), line[1:].view(_ROWS, _LENGTH, 1)

    fit(writer, model, Adam(model.parameters(), lr=3e-3), pieces(), mse_loss)
