"""Schedulers that nobody steps, and some that have nothing to do."""

from __future__ import annotations

from typing import Any

from clinic.case import case
from clinic.data import flat_digits
from clinic.loops import validate
from clinic.nets import mlp
from torch import nn
from torch.nn.functional import cross_entropy
from torch.optim import SGD, Adam, Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, MultiStepLR

from tb_lossdiag import SummaryWriter

_EPOCHS, _EACH = 12, 25


def _epochs(
    writer: SummaryWriter, model: nn.Module, optimizer: Optimizer, scheduler: Any, *, steps: bool
) -> None:
    """Twelve epochs with a validation after each; `steps`: whether the scheduler is stepped then."""
    training, validation = flat_digits()
    writer.watch(model, optimizer, scheduler=scheduler)
    for step, (x, y) in enumerate(training.batches(_EPOCHS * _EACH)):
        optimizer.zero_grad()
        loss = cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        writer.add_diagnostics(loss=loss, global_step=step)
        if step % _EACH == _EACH - 1:
            writer.add_diagnostics(
                loss=validate(model, validation), phase="validation", global_step=step
            )
            if steps:
                scheduler.step()


@case("LD607", family="MLP")
def cosine_that_nobody_steps(writer: SummaryWriter) -> None:
    model = mlp(64, 64, 10)
    optimizer = SGD(model.parameters(), lr=0.2, momentum=0.9)
    _epochs(writer, model, optimizer, CosineAnnealingLR(optimizer, _EPOCHS), steps=False)


@case(family="MLP")
def milestones_beyond_the_end(writer: SummaryWriter) -> None:
    model = mlp(64, 64, 10)
    optimizer = Adam(model.parameters(), lr=1e-3)
    _epochs(writer, model, optimizer, MultiStepLR(optimizer, [30, 60]), steps=True)
