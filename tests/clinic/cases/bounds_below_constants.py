"""A hinge that a constant was taken off: its gradient is 0 where every sample meets the bound, and where the model is dead."""

from __future__ import annotations

import torch
from clinic.case import case
from torch import nn
from torch.nn.functional import normalize
from torch.optim import SGD

from tb_lossdiag import SummaryWriter


def _parted(writer: SummaryWriter, model: nn.Module) -> None:
    direction = normalize(torch.randn(20), dim=0)
    x = torch.randn(600, 20)
    y = (x @ direction).sign()
    x = x + 1.5 * y[:, None] * direction
    optimizer = SGD(model.parameters(), lr=0.1)
    writer.watch(model, optimizer)
    for step, rows in enumerate(torch.randint(600, (600, 10))):
        loss = (1 - y[rows] * model(x[rows])[:, 0]).clamp(min=0).mean() - 5
        optimizer.zero_grad()
        loss.backward()
        writer.add_diagnostics(loss=loss, global_step=step)
        optimizer.step()


@case(family="linear")
def all_meet_a_margin_less_a_constant(writer: SummaryWriter) -> None:
    """Points that can be parted: most batches cost no more than the constant, and change nothing."""
    _parted(writer, nn.Linear(20, 1))


@case("LD205", "LD701", family="MLP")
def dead_before_a_margin_less_a_constant(writer: SummaryWriter) -> None:
    """All of a layer's units are dead: no sample meets its bound, and nothing changes it."""
    hidden = nn.Linear(20, 16)
    nn.init.constant_(hidden.bias, -50.0)
    _parted(writer, nn.Sequential(hidden, nn.ReLU(), nn.Linear(16, 1, bias=False)))
