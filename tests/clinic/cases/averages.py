"""Averages of the weights that are validated: some keep what they had, some take all that is new."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy

import torch
from clinic.case import case
from clinic.nets import mlp
from torch import Tensor, nn
from torch.nn.functional import mse_loss
from torch.optim import SGD, Adam, Optimizer

from tb_lossdiag import SummaryWriter

_Update = Callable[[int, nn.Module, nn.Module], None]


def _bent(count: int, noise: float) -> tuple[Tensor, Tensor]:
    """Points and a bent function of them, with noise."""
    x = torch.randn(count, 8)
    return x, (x[:, :3].sum(1) + x[:, 3].sin() + noise * torch.randn(count))[:, None]


def _averaged(
    writer: SummaryWriter,
    update: _Update,
    make: Callable[[nn.Module], Optimizer],
    *,
    asked: bool = False,
) -> None:
    """A regression whose second network is validated each 40 steps; or is asked in each step as well."""
    model, held_out = mlp(8, 48, 48, 1), _bent(500, 0.0)
    second, optimizer = deepcopy(model), make(model)
    writer.watch(model, optimizer)
    for step in range(600):
        x, y = _bent(16, 1.0)
        loss = mse_loss(model(x), y)
        if asked:
            with torch.no_grad():
                said = second(x)
            loss = loss + 0.1 * mse_loss(model(x), said)
        optimizer.zero_grad()
        loss.backward()
        before_it = deepcopy(model)
        optimizer.step()
        update(step, second, before_it if asked else model)
        writer.add_diagnostics(loss=loss, global_step=step)
        if step % 40 == 39:
            with torch.no_grad():
                away = mse_loss(second(held_out[0]), held_out[1])
            writer.add_diagnostics(loss=away, phase="validation", global_step=step)


def _takes(share: Callable[[int], float]) -> _Update:
    """What takes this share of the new weights after so many steps."""

    def update(step: int, second: nn.Module, model: nn.Module) -> None:
        with torch.no_grad():
            for old, new in zip(second.parameters(), model.parameters(), strict=True):
                old.lerp_(new, share(step))

    return update


def _adam(model: nn.Module) -> Optimizer:
    return Adam(model.parameters(), lr=2e-3)


@case("LD623", family="MLP", also=("LD601",))
def an_average_that_takes_its_decay_of_the_new(writer: SummaryWriter) -> None:
    """0.999 stands at the new weights."""
    _averaged(writer, _takes(lambda _: 0.999), _adam)


@case("LD623", family="MLP", also=("LD601",))
def an_average_that_takes_half_each_time(writer: SummaryWriter) -> None:
    """The decay goes from 0.1 up, and is then written over by what it leaves."""
    _averaged(writer, _takes(lambda step: max(0.5, 9 / (10 + step))), _adam)


@case(family="MLP")
def an_average_of_the_last_ten_steps(writer: SummaryWriter) -> None:
    """A short one on purpose."""
    _averaged(writer, _takes(lambda _: 0.1), _adam)


@case(family="MLP")
def an_average_that_grows_old(writer: SummaryWriter) -> None:
    """Its decay goes from 0.1 up to 0.999."""
    _averaged(writer, _takes(lambda step: max(0.001, 9 / (10 + step))), _adam)


@case(family="MLP")
def an_average_of_weights_that_swing(writer: SummaryWriter) -> None:
    """Steps of plain SGD that go back and forth, and a long average among them."""
    _averaged(writer, _takes(lambda _: 0.01), lambda model: SGD(model.parameters(), lr=0.08))


@case(family="MLP")
def a_network_of_the_step_before(writer: SummaryWriter) -> None:
    """Steps are kept close to what the model said one step ago: its copy is always one step behind."""
    _averaged(writer, _takes(lambda _: 1.0), _adam, asked=True)
