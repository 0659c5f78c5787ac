"""A fourth lot, rebuilt after public reports of first loops, schedules and tables, with sound programs close by."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import torch
from clinic.abroad import patient
from clinic.abroad.loops import train
from clinic.data import Samples, diabetes, flat_digits
from clinic.nets import mlp
from torch import Tensor, nn
from torch.nn.functional import (
    cross_entropy,
    mse_loss,
    relu,
)
from torch.optim import SGD, Adam, AdamW
from torch.optim.lr_scheduler import CosineAnnealingLR, CosineAnnealingWarmRestarts

from tb_lossdiag import SummaryWriter

STEPS = 300


class _Forgetful(nn.Module):
    """Makes its hidden layer when it is called."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(64, 96), nn.Linear(48, 10)

    def forward(self, x: Tensor) -> Tensor:
        hidden = nn.Linear(96, 48)
        answer: Tensor = self.last(relu(hidden(relu(self.first(x)))))
        return answer


def _classify(writer: SummaryWriter, model: nn.Module, digits: Samples, **more: Any) -> None:
    held_out, batches = flat_digits()[1], digits.batches(STEPS)
    optimizer = more.pop("optimizer", None) or Adam(model.parameters(), 2e-3)

    def loss() -> Tensor:
        x, y = next(batches)
        return cross_entropy(model(x), y)

    train(
        writer, model, optimizer, loss, STEPS,
        validate=lambda: cross_entropy(model(held_out.x), held_out.y), **more,
    )  # fmt: skip


@patient(
    "LD624",
    "LD603",
    "LD104",
    "LD112",
    family="first loops",
    source="https://thecodeforge.io/ml-ai/pytorch-neural-network/",
)
def a_layer_made_in_forward(writer: SummaryWriter) -> None:
    """Its weights are drawn anew at each call."""
    _classify(writer, _Forgetful(), flat_digits()[0])


@patient(
    "LD514",
    "LD104",
    "LD112",
    "LD107",
    "LD545",
    family="first loops",
    also=("LD108",),
    source="https://datarekha.com/interview/deep-learning/debugging-model-not-learning/",
)
def labels_shuffled_alone(writer: SummaryWriter) -> None:
    """The labels were shuffled, and their images were not."""
    digits = flat_digits()[0]
    _classify(writer, mlp(64, 96, 10), Samples(digits.x, digits.y[torch.randperm(len(digits.y))]))


@patient(
    "LD510",
    "LD104",
    "LD109",
    family="first loops",
    also=("LD626",),
    source="https://emitechlogic.com/pytorch-debugging-checklist-a-systematic-framework-to-fix-models-that-wont-learn",
)
def divided_by_255_twice(writer: SummaryWriter) -> None:
    """`ToTensor` had divided the pixels already; validation does not use the second division."""
    digits = flat_digits()[0]
    model = mlp(64, 96, 10)
    _classify(
        writer,
        model,
        Samples(digits.x / 255, digits.y),
        optimizer=SGD(model.parameters(), 0.05, 0.9),
    )


@patient(
    "LD607",
    "LD613",
    "LD625",
    family="schedules",
    source="https://github.com/sthalles/SimCLR/issues/8, https://github.com/CodefyUI/CodefyUI/issues/205",
)
def a_cosine_of_epochs_and_batches(writer: SummaryWriter) -> None:
    """`T_max` counts ten epochs, and `scheduler.step()` stands in the loop over batches."""
    model = mlp(64, 96, 10)
    optimizer = SGD(model.parameters(), 0.1, 0.9)
    _classify(
        writer,
        model,
        flat_digits()[0],
        optimizer=optimizer,
        scheduler=CosineAnnealingLR(optimizer, 10),
    )


@patient(family="schedules")
def warm_restarts_that_are_meant(writer: SummaryWriter) -> None:
    """SGDR: cycles of 40, 80 and 160 steps."""
    model = mlp(64, 96, 10)
    optimizer = SGD(model.parameters(), 0.1, 0.9)
    _classify(
        writer, model, flat_digits()[0], optimizer=optimizer,
        scheduler=CosineAnnealingWarmRestarts(optimizer, 40, 2),
    )  # fmt: skip


@patient(
    "LD703",
    "LD501",
    "LD702",
    "LD201",
    "LD104",
    "LD602",
    "LD112",
    "LD109",
    family="first loops",
    source="https://datafield.dev/aibook/part-03/chapter-12/case-study-01.html",
)
def a_colleague_s_classifier(writer: SummaryWriter) -> None:
    """Six layers of sigmoids, a softmax before the cross-entropy, SGD at 1e-4, and no gradient is ever reset."""
    digits = flat_digits()[0]
    model = nn.Sequential(
        *mlp(64, 128, 96, 64, 48, 32, 10, activation=nn.Sigmoid), nn.Softmax(dim=1)
    )
    optimizer = SGD(model.parameters(), lr=0.0001)
    writer.watch(model, optimizer)
    model.eval()
    for step, (x, y) in enumerate(digits.batches(STEPS)):
        loss = cross_entropy(model(x), y)
        loss.backward()
        writer.add_diagnostics(loss=loss, global_step=step)
        optimizer.step()


@patient(family="tables")
def heavy_decay_for_few_patients(writer: SummaryWriter) -> None:
    """AdamW with a decay of 0.3 on 350 rows: without it the net learns them by heart."""
    data, held_out = diabetes().split(350)
    model, batches = mlp(10, 32, 1), data.batches(STEPS, 32)

    def loss() -> Tensor:
        x, y = next(batches)
        return mse_loss(model(x), y)

    train(
        writer, model, AdamW(model.parameters(), 1e-3, weight_decay=0.3), loss, STEPS,
        validate=lambda: mse_loss(model(held_out.x), held_out.y),
    )  # fmt: skip


@patient(family="tables")
def four_rows_at_a_time(writer: SummaryWriter) -> None:
    """Tiny batches of targets half of which is noise: the loss jumps about, and the fit is right."""
    data = diabetes()
    model, batches = mlp(10, 16, 1), data.batches(500, 4)

    def loss() -> Tensor:
        x, y = next(batches)
        return mse_loss(model(x), y)

    train(writer, model, SGD(model.parameters(), 5e-3), loss, 500)


@patient(family="averages")
def an_average_that_is_validated(writer: SummaryWriter) -> None:
    """A running average of the weights, 0.98, is what is looked at."""
    digits, held_out = flat_digits()
    model = mlp(64, 96, 10)
    ema = deepcopy(model).requires_grad_(False)
    optimizer, batches = Adam(model.parameters(), 2e-3), digits.batches(STEPS)

    def loss() -> Tensor:
        x, y = next(batches)
        return cross_entropy(model(x), y)

    def average() -> None:
        with torch.no_grad():
            for kept, now in zip(ema.parameters(), model.parameters(), strict=True):
                kept.lerp_(now, 0.02)

    train(
        writer, model, optimizer, loss, STEPS, after=average,
        validate=lambda: cross_entropy(ema(held_out.x), held_out.y),
    )  # fmt: skip
