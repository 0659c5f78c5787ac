"""Faults of mixed precision, of the machine, and of the record."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch
from clinic.case import case
from clinic.data import Batches, Samples, digit_rows, flat_digits, friedman, square_digits
from clinic.loops import Loss, fit
from clinic.nets import Transformer, cnn, mlp
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss
from torch.optim import SGD, Adam, AdamW

from tb_lossdiag import SummaryWriter


def _mixed(
    writer: SummaryWriter,
    model: nn.Module,
    data: Samples,
    loss_of: Callable[[Any, Tensor], Tensor],
    *,
    scaler: torch.amp.GradScaler | None = None,
    lr: float = 0.02,
    steps: int = 300,
) -> None:
    """Train in float16, with a scaler or without."""
    optimizer = SGD(model.parameters(), lr=lr)
    writer.watch(model, optimizer, scaler=scaler)
    for step, (x, y) in enumerate(data.batches(steps)):
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.float16):
            loss = loss_of(model(x), y)
        if scaler is None:
            loss.backward()
            optimizer.step()
        else:
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
        writer.add_diagnostics(loss=loss, global_step=step)


@case("LD801", family="MLP")
def scaler_tries_too_often(writer: SummaryWriter) -> None:
    training, _ = flat_digits()
    scaler = torch.amp.GradScaler("cpu", growth_interval=3)
    _mixed(writer, mlp(64, 64, 10), training, cross_entropy, scaler=scaler)


@case("LD801", family="transformer")
def scaler_grows_every_other_step(writer: SummaryWriter) -> None:
    training, _ = digit_rows()
    scaler = torch.amp.GradScaler("cpu", growth_interval=2)
    _mixed(writer, Transformer(layers=1), training, cross_entropy, scaler=scaler, lr=0.05)


@case("LD802", "LD206", "LD801", family="MLP")
def distance_of_each_row_from_itself(writer: SummaryWriter) -> None:
    training, _ = flat_digits()
    scaler = torch.amp.GradScaler("cpu")

    def loss_of(logits: Tensor, y: Tensor) -> Tensor:
        # The matrix of all distances has zeros on its diagonal.
        apart = (logits[:, None] - logits[None]).square().sum(2).sqrt()
        return cross_entropy(logits, y) - 0.01 * apart.mean()

    _mixed(writer, mlp(64, 32, 10), training, loss_of, scaler=scaler, steps=100)


@case("LD802", "LD206", "LD801", family="CNN")
def every_backward_pass_overflows(writer: SummaryWriter) -> None:
    training, _ = square_digits()
    scaler = torch.amp.GradScaler("cpu")

    def loss_of(logits: Tensor, y: Tensor) -> Tensor:
        # A difference of twins under a root: its slope is infinite.
        return cross_entropy(logits, y) + ((logits - logits) ** 2).sum().sqrt()

    _mixed(writer, cnn(), training, loss_of, scaler=scaler, steps=80)


@case("LD805", family="MLP", also=("LD602", "LD104", "LD201"))
def half_precision_without_a_scaler(writer: SummaryWriter) -> None:
    training, _ = flat_digits()
    model = mlp(64, *[64] * 4, 10)

    def shared(logits: Tensor, y: Tensor) -> Tensor:
        return cross_entropy(logits.float(), y) / 50000  # divided by a global batch

    _mixed(writer, model, training, shared, lr=500.0)


@case("LD805", family="transformer", also=("LD602", "LD104", "LD201"))
def attention_in_half_precision_without_a_scaler(writer: SummaryWriter) -> None:
    training, _ = digit_rows()

    def shared(logits: Tensor, y: Tensor) -> Tensor:
        return cross_entropy(logits.float(), y) / 65536

    _mixed(writer, Transformer(), training, shared, lr=1000.0, steps=200)


@case("LD804", family="CNN")
def loader_without_workers(writer: SummaryWriter) -> None:
    training, _ = square_digits()

    def slow() -> Any:
        for batch in training.batches(100):
            time.sleep(0.025)  # decoding
            yield batch

    model = cnn()
    fit(writer, model, Adam(model.parameters(), lr=1e-3), slow())


@case("LD804", family="transformer")
def reads_each_batch_from_a_far_disk(writer: SummaryWriter) -> None:
    training, _ = digit_rows()

    def slow() -> Any:
        for batch in training.batches(100):
            time.sleep(0.025)
            yield batch

    model = Transformer(layers=1)
    fit(writer, model, Adam(model.parameters(), lr=1e-3), slow())


@case("LD901", family="MLP")
def two_writers_in_one_folder(writer: SummaryWriter) -> None:
    training, _ = flat_digits()
    model = mlp(64, 64, 10)
    with SummaryWriter(writer.log_dir) as second:
        fit(second, model, Adam(model.parameters(), lr=1e-3), training.batches(300))


def _now_and_then(
    writer: SummaryWriter,
    model: nn.Module,
    batches: Batches,
    loss_of: Loss,
    *,
    lr: float,
    every: int,
) -> None:
    """Train, and record by hand once in so many steps."""
    optimizer = Adam(model.parameters(), lr=lr)
    for step, (x, y) in enumerate(batches):
        optimizer.zero_grad()
        loss = loss_of(model(x), y)
        loss.backward()
        if step % every == 0:
            writer.add_diagnostics(model, optimizer=optimizer, loss=loss, global_step=step)
        optimizer.step()


@case("LD902", family="CNN", hint=True)
def records_one_step_in_fifty(writer: SummaryWriter) -> None:
    training, _ = square_digits()
    _now_and_then(writer, cnn(), training.batches(600), cross_entropy, lr=1e-3, every=50)


@case("LD902", family="regression", hint=True)
def looks_once_in_thirty_steps(writer: SummaryWriter) -> None:
    batches = friedman(noise=1.0).batches(600)
    _now_and_then(writer, mlp(10, 32, 1), batches, mse_loss, lr=3e-3, every=30)


def _whole_model(writer: SummaryWriter, dtype: torch.dtype, lr: float, eps: float = 1e-8) -> None:
    training, _ = flat_digits()
    model = mlp(64, 64, 64, 10).to(dtype)
    batches = ((x.to(dtype), y) for x, y in training.batches(400))
    optimizer = AdamW(model.parameters(), lr=lr, eps=eps)
    fit(writer, model, optimizer, batches, lambda scores, y: cross_entropy(scores.float(), y))


@case("LD101", family="MLP", also=("LD206",))
def epsilon_is_zero_in_half_precision(writer: SummaryWriter) -> None:
    _whole_model(writer, torch.float16, 1e-3)


@case("LD611", family="MLP")
def bfloat16_weights_swallow_the_steps(writer: SummaryWriter) -> None:
    _whole_model(writer, torch.bfloat16, 1e-5)


@case(family="MLP")
def bfloat16_weights_with_steps_that_show(writer: SummaryWriter) -> None:
    _whole_model(writer, torch.bfloat16, 1e-3)


@case(family="MLP")
def half_precision_with_an_epsilon_that_it_has(writer: SummaryWriter) -> None:
    _whole_model(writer, torch.float16, 1e-3, eps=1e-4)
