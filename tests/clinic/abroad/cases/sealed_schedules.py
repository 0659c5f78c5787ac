"""Schedules of the learning rate that follow something, or count something, in loops by hand."""

from __future__ import annotations

from typing import Any

import torch
from clinic.abroad import patient
from clinic.abroad.loops import train
from clinic.data import flat_digits, square_digits
from clinic.nets import cnn, mlp
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.optim import SGD, AdamW
from torch.optim.lr_scheduler import CosineAnnealingLR, ReduceLROnPlateau
from torch.utils.data import DataLoader, TensorDataset

from tb_lossdiag import SummaryWriter


def _plateau(writer: SummaryWriter, mode: Any) -> None:
    """The rate follows the accuracy on the held-out digits."""
    digits, held_out = square_digits()
    model = cnn()
    optimizer = SGD(model.parameters(), lr=0.02, momentum=0.9)
    scheduler = ReduceLROnPlateau(optimizer, mode, factor=0.1, patience=1)
    writer.watch(model, optimizer)
    loader = DataLoader(TensorDataset(digits.x, digits.y), 64, shuffle=True)
    step = 0
    for _ in range(14):
        for x, y in loader:
            optimizer.zero_grad()
            loss = cross_entropy(model(x), y)
            loss.backward()
            writer.add_diagnostics(loss=loss, global_step=step)
            optimizer.step()
            step += 1
        with torch.no_grad():
            answers = model(held_out.x)
        loss = cross_entropy(answers, held_out.y)
        writer.add_diagnostics(loss=loss, phase="validation", global_step=step)
        scheduler.step(float((answers.argmax(1) == held_out.y).float().mean()))


@patient("LD607", "LD602", "LD612", family="schedules", source="md-mohaiminul/ViS4mer issue 4")
def the_rate_falls_while_the_accuracy_rises(writer: SummaryWriter) -> None:
    """`ReduceLROnPlateau` in its usual mode `min` is given an accuracy."""
    _plateau(writer, "min")


@patient(family="schedules")
def the_rate_falls_when_the_accuracy_stays(writer: SummaryWriter) -> None:
    """The same in mode `max`."""
    _plateau(writer, "max")


@patient("LD625", "LD607", family="schedules", source="lucidrains/imagen-pytorch issue 71")
def a_cosine_as_long_as_the_warm_up(writer: SummaryWriter) -> None:
    """`T_max` is given the steps of the warm-up, so the rate goes down and up all the time."""
    digits, held_out = flat_digits()
    model = mlp(64, 64, 10)
    optimizer = AdamW(model.parameters(), lr=4e-2)
    batches = iter(digits.batches(400))

    def loss() -> Tensor:
        x, y = next(batches)
        return cross_entropy(model(x), y)

    train(
        writer, model, optimizer, loss, 400, scheduler=CosineAnnealingLR(optimizer, T_max=20),
        validate=lambda: cross_entropy(model(held_out.x), held_out.y),
    )  # fmt: skip
