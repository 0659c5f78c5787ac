"""Faults of gradient clipping."""

from __future__ import annotations

from typing import Any
from warnings import catch_warnings, simplefilter

import torch
from clinic.case import case
from clinic.data import Samples, digit_rows, flat_digits, friedman, square_digits, waves
from clinic.loops import fit
from clinic.nets import Recurrent, Transformer, cnn, mlp
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss
from torch.nn.utils import clip_grad_norm_
from torch.optim import SGD, Adam

from tb_lossdiag import SummaryWriter


@case("LD301", family="MLP")
def bound_a_hundred_times_too_low(writer: SummaryWriter) -> None:
    training, _ = flat_digits()
    model = mlp(64, 64, 10)
    optimizer = SGD(model.parameters(), lr=0.1)
    fit(writer, model, optimizer, training.batches(500), max_norm=0.01)


@case("LD301", family="RNN", also=("LD109", "LD602"))
def unrecorded_bound_far_too_low(writer: SummaryWriter) -> None:
    training, _ = digit_rows()
    model = Recurrent(nn.GRU)
    optimizer = SGD(model.parameters(), lr=0.3)
    writer.watch(model, optimizer)
    for step, (x, y) in enumerate(training.batches(500)):
        optimizer.zero_grad()
        loss = cross_entropy(model(x), y)
        loss.backward()
        clip_grad_norm_(model.parameters(), 0.02)
        optimizer.step()
        writer.add_diagnostics(loss=loss, global_step=step)


@case("LD302", family="MLP")
def clips_when_the_step_is_done(writer: SummaryWriter) -> None:
    training, _ = flat_digits()
    model = mlp(64, 64, 10)
    optimizer = SGD(model.parameters(), lr=0.1)
    writer.watch(model, optimizer)
    for step, (x, y) in enumerate(training.batches(400)):
        optimizer.zero_grad()
        loss = cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        writer.clip_grad_norm_(model.parameters(), 0.5)
        writer.add_diagnostics(loss=loss, global_step=step)


@case("LD302", family="RNN", also=("LD202",))
def torchs_clip_when_the_step_is_done(writer: SummaryWriter) -> None:
    data = waves()
    model = Recurrent(nn.LSTM, 1, 1, each=True)
    optimizer = Adam(model.parameters(), lr=3e-3)
    writer.watch(model, optimizer)
    for step, (x, y) in enumerate(data.batches(300, 32)):
        loss = mse_loss(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        clip_grad_norm_(model.parameters(), 0.1)
        writer.add_diagnostics(loss=loss, global_step=step)


def _scaled_steps(
    writer: SummaryWriter, model: nn.Module, data: Samples, max_norm: float, lr: float
) -> None:
    """Mixed precision with a clip that comes before the unscaling."""
    optimizer = SGD(model.parameters(), lr=lr)
    scaler = torch.amp.GradScaler("cpu")
    writer.watch(model, optimizer, scaler=scaler)
    for step, (x, y) in enumerate(data.batches(300)):
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            loss = cross_entropy(model(x), y)
        scaler.scale(loss).backward()
        clip_grad_norm_(model.parameters(), max_norm)
        scaler.step(optimizer)
        scaler.update()
        writer.add_diagnostics(loss=loss, global_step=step)


@case("LD303", family="MLP")
def clips_scaled_gradients(writer: SummaryWriter) -> None:
    training, _ = flat_digits()
    _scaled_steps(writer, mlp(64, 64, 10), training, 1.0, 0.1)


@case("LD303", family="transformer")
def clips_scaled_gradients_of_attention(writer: SummaryWriter) -> None:
    training, _ = digit_rows()
    _scaled_steps(writer, Transformer(), training, 5.0, 0.1)


class _Norm(nn.Module):
    """Divides by a length that may be 0 and whose slope then is infinite."""

    def forward(self, x: Tensor) -> Tensor:
        return x / (x**2).sum(1, keepdim=True).sqrt().clamp_min(1e-6)


@case("LD304", "LD206", family="MLP", also=("LD101",))
def one_broken_gradient_in_a_clip(writer: SummaryWriter) -> None:
    training, _ = flat_digits()
    training.x[::200] = 0
    model = nn.Sequential(nn.Linear(64, 32, bias=False), _Norm(), nn.Linear(32, 10))
    optimizer = SGD(model.parameters(), lr=0.5)
    fit(writer, model, optimizer, training.batches(300), max_norm=1.0)


@case("LD304", "LD206", family="CNN", also=("LD101",))
def twins_without_distance_in_a_clip(writer: SummaryWriter) -> None:
    # One pair of blank images: the root of 0 has no slope, and the clip hands that on to every layer.
    training, _ = square_digits()
    training.x[::100] = 0

    def apart(codes: Tensor, _: Tensor) -> Tensor:
        left, right = codes.chunk(2)
        return (1 - ((left - right) ** 2).sum(1).sqrt()).relu().mean()

    model = cnn(outputs=8)
    optimizer = SGD(model.parameters(), lr=0.05)
    fit(writer, model, optimizer, training.batches(250), apart, max_norm=1.0)


@case("LD305", family="MLP", hint=True)
def bound_nobody_ever_reaches(writer: SummaryWriter) -> None:
    training, _ = flat_digits()
    model = mlp(64, 64, 10)
    optimizer = Adam(model.parameters(), lr=1e-3)
    fit(writer, model, optimizer, training.batches(600), max_norm=1000.0)


@case("LD306", "LD102", family="regression", also=("LD105",))
def targets_drift_away(writer: SummaryWriter) -> None:
    # The sensor's gain grows: after a while every gradient is over the bound, and the loss rises.
    data = friedman()
    batches = (
        (x, y * 1.006 ** max(0, step - 200)) for step, (x, y) in enumerate(data.batches(500))
    )
    model = mlp(10, 32, 1)
    optimizer = SGD(model.parameters(), lr=0.02)
    fit(writer, model, optimizer, batches, mse_loss, max_norm=2.0)


@case("LD307", family="RNN")
def only_the_recurrent_part_is_clipped(writer: SummaryWriter) -> None:
    data = waves()
    wide = Samples(data.x, 5 * data.y)
    model = Recurrent(nn.GRU, 1, 1, each=True)
    optimizer = SGD(model.parameters(), lr=0.01)
    writer.watch(model, optimizer)
    for step, (x, y) in enumerate(wide.batches(300, 32)):
        optimizer.zero_grad()
        loss = mse_loss(model(x), y)
        loss.backward()
        writer.clip_grad_norm_(model.rnn.parameters(), 1.0)
        optimizer.step()
        writer.add_diagnostics(loss=loss, global_step=step)


@case("LD307", family="CNN")
def clip_forgets_the_second_group(writer: SummaryWriter) -> None:
    training, _ = square_digits()
    model = cnn()
    body, head = model[:6].parameters(), model[6:].parameters()
    groups: list[dict[str, Any]] = [{"params": body}, {"params": head, "lr": 0.1}]
    optimizer = SGD(groups, lr=0.05)
    writer.watch(model, optimizer)
    for step, (x, y) in enumerate(training.batches(300)):
        optimizer.zero_grad()
        loss = cross_entropy(model(x), y)
        loss.backward()
        writer.clip_grad_norm_(optimizer.param_groups[0]["params"], 0.6)
        optimizer.step()
        writer.add_diagnostics(loss=loss, global_step=step)


@case("LD308", family="CNN", hint=True)
def clips_that_nobody_records(writer: SummaryWriter) -> None:
    training, _ = square_digits()
    model = cnn()
    optimizer = Adam(model.parameters(), lr=1e-3)
    writer.watch(model, optimizer)
    for step, (x, y) in enumerate(training.batches(300)):
        optimizer.zero_grad()
        loss = cross_entropy(model(x), y)
        loss.backward()
        clip_grad_norm_(model.parameters(), 0.1)
        optimizer.step()
        writer.add_diagnostics(loss=loss, global_step=step)


@case("LD309", family="MLP")
def the_clip_gets_a_used_generator(writer: SummaryWriter) -> None:
    training, _ = flat_digits()
    model = mlp(64, 64, 10)
    parameters = model.parameters()
    optimizer = SGD(parameters, lr=0.05)
    writer.watch(model, optimizer)
    for step, (x, y) in enumerate(training.batches(300)):
        optimizer.zero_grad()
        loss = cross_entropy(model(16 * x), y)
        loss.backward()
        with catch_warnings():
            simplefilter("ignore")  # torch says it once, among everything else
            norm = clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        writer.add_diagnostics(loss=loss, clip=(norm, 1.0), global_step=step)
