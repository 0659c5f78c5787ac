"""Healthy trainings whose loss rises since somebody makes their task harder on purpose."""

from __future__ import annotations

import torch
from clinic.case import case
from clinic.healthy_parts import mlp, validation
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss
from torch.optim import Adam

from tb_lossdiag import SummaryWriter
from tb_lossdiag.demo.digits import digits

_CUTS = (100, 200, 300)


def _smallest_to_0(weight: nn.Parameter, kept: float) -> Tensor:
    """Lay a mask on all but the largest elements, and return it."""
    size = weight.detach().abs()
    mask = (size > size.flatten().quantile(1 - kept)).float()
    weight.data.mul_(mask)
    return mask


@case(family="MLP")
def masks_by_hand_three_times(writer: SummaryWriter) -> None:
    """All but a half, a quarter and an eighth of the weights become 0, and are held there after each step: the loss leaps and recovers."""
    training, _ = digits()
    model = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), mlp(128, 128))
    optimizer = Adam(model.parameters(), lr=2e-3)
    writer.watch(model, optimizer)
    masks: dict[nn.Parameter, Tensor] = {}
    for step, (images, labels) in enumerate(training.batches(480)):
        if step in _CUTS:
            kept = 0.5 ** (1 + _CUTS.index(step))
            masks = {w: _smallest_to_0(w, kept) for w in model.parameters() if w.dim() > 1}
        loss = cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        writer.add_diagnostics(loss=loss, global_step=step)
        optimizer.step()
        with torch.no_grad():
            for weight, mask in masks.items():
                weight.mul_(mask)


_PLACES, _TOLD = 40, 8
"""Of a series, and how many of them are given in any case."""


class _Forecaster(nn.Module):
    """Says the next value of a series from its own answers, or from what came in truth."""

    def __init__(self) -> None:
        super().__init__()
        self.cell, self.head = nn.GRUCell(1, 48), nn.Linear(48, 1)

    def forward(self, series: Tensor, truth: float) -> Tensor:
        """(batch, places): `truth` is the chance of being given what came."""
        state, given, said = None, series[:, :1], []
        for place in range(_PLACES):
            state = self.cell(given, state)
            said.append(self.head(state))
            own = (torch.rand(len(series), 1) >= truth) & (place >= _TOLD)
            given = torch.where(own, said[-1], series[:, place + 1 : place + 2])
        return torch.cat(said, 1)


def _waves(count: int = 32) -> Tensor:
    pace, phase = 0.3 + 0.4 * torch.rand(count, 1), 6.28 * torch.rand(count, 1)
    waves = (0.5 + torch.rand(count, 1)) * torch.sin(pace * torch.arange(_PLACES + 1) + phase)
    return waves + 0.02 * torch.randn(count, _PLACES + 1)


@case(family="RNN")
def ever_less_of_the_truth(writer: SummaryWriter) -> None:
    """Scheduled sampling: the share of true inputs falls from all to none. The loss rises, and forecasts without any get better."""
    model, held_out, steps = _Forecaster(), _waves(200), 900
    optimizer = Adam(model.parameters(), lr=3e-3)
    writer.watch(model, optimizer)
    for step in range(steps):
        series = _waves()
        loss = mse_loss(model(series, 1 - step / steps), series[:, 1:])
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        writer.add_diagnostics(loss=loss, global_step=step)
        optimizer.step()
        if step % 50 == 0:
            validation(writer, model, lambda: mse_loss(model(held_out, 0.0), held_out[:, 1:]), step)
