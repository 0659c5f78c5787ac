"""Schedules that count something else than what they are moved by, and some that count right."""

from __future__ import annotations

import itertools
from typing import Any

from clinic.case import case
from clinic.data import flat_digits
from clinic.nets import mlp
from torch.nn.functional import cross_entropy
from torch.optim import AdamW
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, OneCycleLR, SequentialLR

from tb_lossdiag import SummaryWriter

_EPOCHS, _EACH, _PARTS = 10, 30, 4


def _train(
    writer: SummaryWriter, make: Any, *, moved: str, parts: int = 1, epochs: int = _EPOCHS
) -> None:
    """Train; `moved`: whether the scheduler moves with each "batch", "step" or "epoch"."""
    training, _ = flat_digits()
    model = mlp(64, 64, 10)
    optimizer = AdamW(model.parameters(), lr=2e-3)
    scheduler = make(optimizer)
    writer.watch(model, optimizer, scheduler=scheduler)
    batches = training.batches(epochs * _EACH * parts)
    for step in range(epochs * _EACH):
        total = 0.0
        for x, y in itertools.islice(batches, parts):
            loss = cross_entropy(model(x), y) / parts
            loss.backward()
            total += loss.item()
            if moved == "batch":
                scheduler.step()
        optimizer.step()
        optimizer.zero_grad()
        writer.add_diagnostics(loss=total, global_step=step)
        if moved == "step" or (moved == "epoch" and step % _EACH == _EACH - 1):
            scheduler.step()


@case("LD613", family="MLP", source="sthalles/SimCLR issue 8")
def a_plan_of_steps_moved_once_per_epoch(writer: SummaryWriter) -> None:
    _train(writer, lambda o: CosineAnnealingLR(o, _EPOCHS * _EACH), moved="epoch")


@case("LD613", family="MLP", source="huggingface/transformers pull request 24088")
def a_plan_of_batches_moved_once_per_step(writer: SummaryWriter) -> None:
    length = _EPOCHS * _EACH * _PARTS
    _train(writer, lambda o: CosineAnnealingLR(o, length), moved="step", parts=_PARTS)


@case("LD613", family="MLP", also=("LD607",), source="nvidia-cosmos/cosmos-rl pull request 207")
def a_plan_of_steps_moved_with_every_batch(writer: SummaryWriter) -> None:
    plan = _EPOCHS * _EACH
    _train(writer, lambda o: LinearLR(o, 1.0, 0.01, plan), moved="batch", parts=_PARTS)


@case(family="MLP")
def a_plan_of_batches_moved_with_every_batch(writer: SummaryWriter) -> None:
    length = _EPOCHS * _EACH * _PARTS
    _train(writer, lambda o: CosineAnnealingLR(o, length), moved="batch", parts=_PARTS)


@case(family="MLP")
def a_plan_of_epochs_moved_once_per_epoch(writer: SummaryWriter) -> None:
    _train(writer, lambda o: CosineAnnealingLR(o, _EPOCHS), moved="epoch")


@case(family="MLP")
def ended_after_a_third_of_the_plan(writer: SummaryWriter) -> None:
    _train(writer, lambda o: CosineAnnealingLR(o, 3 * _EPOCHS * _EACH), moved="step")


@case(family="MLP")
def a_floor_after_the_plan(writer: SummaryWriter) -> None:
    _train(writer, lambda o: LinearLR(o, 1.0, 0.1, _EPOCHS * _EACH // 2), moved="step")


@case(family="MLP")
def warm_up_then_cosine_in_parts(writer: SummaryWriter) -> None:
    def make(optimizer: Any) -> Any:
        rise = LinearLR(optimizer, 0.1, 1.0, 30)
        return SequentialLR(
            optimizer, [rise, CosineAnnealingLR(optimizer, _EPOCHS * _EACH - 30)], [30]
        )

    _train(writer, make, moved="step", parts=_PARTS)


@case(family="MLP")
def one_cycle_in_parts(writer: SummaryWriter) -> None:
    _train(
        writer,
        lambda o: OneCycleLR(o, 5e-3, total_steps=_EPOCHS * _EACH + 1),
        moved="step",
        parts=_PARTS,
    )
