"""Where a loss' gradient arrives: at the model, or beside it."""

from __future__ import annotations

import math

import torch
from clinic.case import case
from clinic.data import flat_digits
from clinic.nets import mlp
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, mse_loss
from torch.optim import SGD, Adam

from tb_lossdiag import SummaryWriter


def _ring() -> Tensor:
    """Points near a circle."""
    angle = 2 * math.pi * torch.rand(128)
    return torch.stack([angle.cos(), angle.sin()], 1) + 0.1 * torch.randn(128, 2)


def _told_from_noise(writer: SummaryWriter, *, detached: bool) -> None:
    """A density is learned by telling data from noise; what it sums to is estimated beside it."""
    energy, log_z = mlp(2, 64, 64, 1), nn.Parameter(torch.zeros(1))
    optimizer = Adam([*energy.parameters(), log_z], lr=3e-3)
    writer.watch(energy, optimizer)
    for step in range(400):
        noise = 1.5 * torch.randn(128, 2)
        x = torch.cat([_ring(), noise])
        e = energy(x)[:, 0]
        if detached:
            e = e.detach()
        log_noise = -(x**2).sum(1) / (2 * 1.5**2) - math.log(2 * math.pi * 1.5**2)
        real = torch.cat([torch.ones(128), torch.zeros(128)])
        loss = binary_cross_entropy_with_logits(-e - log_z - log_noise, real)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        writer.add_diagnostics(loss=loss, global_step=step)


@case("LD208", family="densities", also=("LD104",))
def energies_that_are_detached(writer: SummaryWriter) -> None:
    _told_from_noise(writer, detached=True)


@case(family="densities")
def a_normaliser_is_learned_beside_the_energies(writer: SummaryWriter) -> None:
    _told_from_noise(writer, detached=False)


@case("LD208", family="MLP", also=("LD104", "LD523"))
def a_scale_of_copied_logits(writer: SummaryWriter) -> None:
    training, _ = flat_digits()
    model, scale = mlp(64, 64, 10), nn.Parameter(torch.ones(1))
    optimizer = SGD(model.parameters(), lr=0.1)
    optimizer.add_param_group({"params": [scale], "lr": 0.01})
    writer.watch(model, optimizer)
    for step, (x, y) in enumerate(training.batches(300)):
        logits = model(x).data
        loss = cross_entropy(logits * scale, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        writer.add_diagnostics(loss=loss, global_step=step)


@case(family="MLP")
def two_models_of_one_optimizer_take_turns(writer: SummaryWriter) -> None:
    training, _ = flat_digits()
    encoder, predictor = mlp(64, 32, 8), mlp(8, 32, 64)
    reader = nn.Linear(8, 10)
    optimizer = Adam(
        [*encoder.parameters(), *predictor.parameters(), *reader.parameters()], lr=1e-3
    )
    writer.watch(encoder, optimizer)
    for step, (x, y) in enumerate(training.batches(400)):
        code = encoder(x)
        told = cross_entropy(reader(code.detach()), y)
        loss = mse_loss(predictor(code), x) if step % 2 else told
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        writer.add_diagnostics(loss_terms={"read" if step % 2 else "class": loss}, global_step=step)
