"""Trainings that another process takes up again with all that they had learned, and whose loss leaps there; and some whose loss only seems to."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from clinic.case import case
from clinic.data import Samples, flat_digits
from clinic.nets import mlp
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.optim import SGD, Adam, AdamW
from torch.optim.lr_scheduler import CosineAnnealingLR

from tb_lossdiag import SummaryWriter

_END = 500


@dataclass(frozen=True)
class _Job:
    """A training in two processes.

    Attributes:
        make: the optimizer.
        planned: whether a cosine over the whole training sets its rate.
        schedule: whether its state is taken along.
        stop: step at which the first process ends.
        saved: step of the checkpoint that is taken up, where that is another one.
        sizes: of a batch, in either process.
        later: what the second process does to inputs and targets.
        rate: of the second process, where it is another one.
    """

    make: Callable[[nn.Module], Any]
    planned: bool = True
    schedule: bool = True
    stop: int = 300
    saved: int = 0
    sizes: tuple[int, int] = (64, 64)
    later: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]] | None = None
    rate: float = 0.0


def _network() -> nn.Module:
    return mlp(64, 64, 10)


def _run(writer: SummaryWriter, job: _Job, data: Samples | None = None) -> None:
    training = data or flat_digits()[0]
    model = _network()
    first = _part(writer, job, (model, job.make(model), None), training, range(job.stop))
    writer.close()
    again = _network()
    again.load_state_dict(first["model"])
    optimizer = job.make(again)
    optimizer.load_state_dict(first["optimizer"])
    if job.rate:
        for group in optimizer.param_groups:
            group["lr"] = job.rate
    plan = first["schedule"] if job.schedule else None
    with SummaryWriter(writer.log_dir) as second:
        _part(second, job, (again, optimizer, plan), training, range(job.stop, _END))


def _part(
    writer: SummaryWriter,
    job: _Job,
    state: tuple[nn.Module, Any, Any],
    training: Samples,
    steps: range,
) -> dict[str, Any]:
    """Train, and give back what the checkpoint holds."""
    model, optimizer, plan = state
    later = job.later if steps.start else None
    scheduler = CosineAnnealingLR(optimizer, _END) if job.planned else None
    if scheduler is not None and plan is not None:
        scheduler.load_state_dict(plan)
    elif steps.start and job.planned:
        for group in optimizer.param_groups:
            group["lr"] = group["initial_lr"]
    writer.watch(model, optimizer, scheduler=scheduler)
    kept: dict[str, Any] = {}
    batches = training.batches(len(steps), job.sizes[bool(steps.start)])
    for step, (x, y) in zip(steps, batches, strict=True):
        given, asked = (x, y) if later is None else later(x, y)
        optimizer.zero_grad()
        loss = cross_entropy(model(given), asked)
        loss.backward()
        optimizer.step()
        if scheduler is not None:
            scheduler.step()
        writer.add_diagnostics(loss=loss, global_step=step)
        if step + 1 == (job.saved or job.stop):
            plan_now = None if scheduler is None else scheduler.state_dict()
            parts = {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
            kept = copy.deepcopy({**parts, "schedule": plan_now})
    return kept


def _noisy(share: float = 0.15) -> Samples:
    """Digits some of whose labels are wrong, so that the loss has a floor."""
    training, _ = flat_digits()
    wrong = torch.rand(len(training.y)) < share
    return Samples(
        training.x, torch.where(wrong, torch.randint(10, (len(training.y),)), training.y)
    )


def _adam(model: nn.Module) -> Adam:
    return Adam(model.parameters(), lr=1e-3)


def _fast(model: nn.Module) -> Adam:
    return Adam(model.parameters(), lr=5e-2)


@case("LD607", "LD113", family="MLP", source="starVLA/starVLA pull request 210")
def schedule_begins_anew_at_its_peak(writer: SummaryWriter) -> None:
    _run(writer, _Job(_fast, schedule=False, stop=440), _noisy(0.05))


@case("LD113", family="MLP", source="huggingface/transformers issue 33336")
def checkpoint_older_than_its_number(writer: SummaryWriter) -> None:
    _run(writer, _Job(_adam, planned=False, saved=210))


@case("LD113", family="MLP")
def two_classes_change_places_at_the_restart(writer: SummaryWriter) -> None:
    def later(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        return x, torch.where(y == 3, 5, torch.where(y == 5, 3, y))

    def slow(model: nn.Module) -> SGD:
        return SGD(model.parameters(), lr=0.01, momentum=0.9)

    _run(writer, _Job(slow, planned=False, later=later))


@case(family="MLP")
def resumed_with_its_schedule(writer: SummaryWriter) -> None:
    _run(writer, _Job(_fast, stop=440), _noisy(0.05))


@case(family="MLP")
def resumed_with_small_batches(writer: SummaryWriter) -> None:
    _run(writer, _Job(_adam, planned=False, sizes=(256, 16)))


@case(family="MLP")
def resumed_where_each_batch_is_another_world(writer: SummaryWriter) -> None:
    _run(writer, _Job(_adam, planned=False, sizes=(4, 4)), _noisy(0.1))


@case(family="MLP")
def resumed_at_a_lower_rate(writer: SummaryWriter) -> None:
    def decayed(model: nn.Module) -> AdamW:
        return AdamW(model.parameters(), lr=3e-3, weight_decay=0.0)

    _run(writer, _Job(decayed, planned=False, rate=3e-4), _noisy())


@case(family="MLP")
def resumed_with_dimmer_images(writer: SummaryWriter) -> None:
    def later(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        return 0.7 * x + 0.2 * torch.rand_like(x), y

    _run(writer, _Job(_adam, planned=False, later=later))
