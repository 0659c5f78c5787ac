"""Windows of series that are scaled by what is known, or by what is to be forecast as well."""

from __future__ import annotations

import torch
from clinic.case import case
from clinic.data import Samples
from clinic.loops import fit
from clinic.nets import Recurrent, mlp
from torch import Tensor, nn
from torch.nn.functional import mse_loss
from torch.optim import Adam

from tb_lossdiag import SummaryWriter

PAST, AHEAD = 20, 6


def _windows(count: int, channels: int = 1) -> Tensor:
    """real[N, T, C] of random walks."""
    return torch.randn(count, PAST + AHEAD, channels).cumsum(1) + 5 * torch.randn(
        count, 1, channels
    )


def _scaled(windows: Tensor, known: int) -> Tensor:
    """Each by the mean and spread of its first so many numbers."""
    part = windows[:, :known]
    return (windows - part.mean(1, keepdim=True)) / part.std(1, keepdim=True)


def _forecast(writer: SummaryWriter, windows: Tensor, model: nn.Module) -> None:
    data = Samples(windows[:, :PAST], windows[:, PAST:, 0])
    fit(writer, model, Adam(model.parameters(), lr=1e-3), data.batches(300), mse_loss)


@case("LD526", family="RNN")
def windows_are_scaled_whole(writer: SummaryWriter) -> None:
    _forecast(writer, _scaled(_windows(2000), PAST + AHEAD), Recurrent(nn.GRU, 1, AHEAD))


@case("LD526", family="MLP")
def one_number_ahead_is_in_the_z_score(writer: SummaryWriter) -> None:
    windows = _scaled(_windows(2000)[:, : PAST + 1], PAST + 1)[..., 0]
    data = Samples(windows[:, :PAST], windows[:, PAST:])
    model = mlp(PAST, 64, 1)
    fit(writer, model, Adam(model.parameters(), lr=1e-3), data.batches(300), mse_loss)


@case("LD526", family="RNN")
def each_of_three_series_is_scaled_whole(writer: SummaryWriter) -> None:
    _forecast(writer, _scaled(_windows(2000, 3), PAST + AHEAD), Recurrent(nn.LSTM, 3, AHEAD))


@case(family="RNN")
def windows_are_scaled_by_their_past(writer: SummaryWriter) -> None:
    _forecast(writer, _scaled(_windows(2000), PAST), Recurrent(nn.GRU, 1, AHEAD))


@case(family="RNN")
def steps_are_scaled_by_all_windows(writer: SummaryWriter) -> None:
    moves = _windows(2000).diff(dim=1, prepend=torch.zeros(2000, 1, 1))[:, 1:]
    windows = (moves - moves.mean()) / moves.std()
    data = Samples(windows[:, : PAST - 1], windows[:, PAST - 1 :, 0].cumsum(1))
    model = Recurrent(nn.GRU, 1, AHEAD)
    fit(writer, model, Adam(model.parameters(), lr=1e-3), data.batches(300), mse_loss)


@case(family="autoencoder")
def windows_that_are_scaled_and_made_again(writer: SummaryWriter) -> None:
    windows = _scaled(_windows(2000), PAST + AHEAD)[..., 0]
    model = mlp(PAST + AHEAD, 12, PAST + AHEAD)
    data = Samples(windows, windows)
    fit(writer, model, Adam(model.parameters(), lr=3e-3), data.batches(400), mse_loss)
