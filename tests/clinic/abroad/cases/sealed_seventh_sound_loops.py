"""The seventh lot, what is sound: restarts, scales, sessions, teachers, tasks that disagree, statistics that stay."""

from __future__ import annotations

import math
from typing import Any

import torch
from clinic.abroad import patient
from clinic.abroad.recipes import folder
from clinic.data import flat_digits, square_digits
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW
from torch.optim.lr_scheduler import CosineAnnealingWarmRestarts, LambdaLR

from tb_lossdiag import SummaryWriter


def _convolutions() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.Flatten(),
        nn.Linear(512, 10),
    )  # fmt: skip


@torch.no_grad()
def _right(model: nn.Module, x: Tensor, y: Tensor) -> float:
    model.eval()
    return float((model(x).argmax(1) == y).float().mean())


def _restarted(writer: SummaryWriter) -> float:
    """Accuracy on held-out digits."""
    data, held_out = square_digits()
    model = _convolutions()
    optimizer = SGD(model.parameters(), lr=0.2, momentum=0.9)
    scheduler = CosineAnnealingWarmRestarts(optimizer, T_0=80, T_mult=2)
    writer.watch(model, optimizer, scheduler=scheduler)
    for step, (x, y) in enumerate(data.batches(560, 16)):
        loss = nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        writer.add_diagnostics(loss=loss, global_step=step)
        optimizer.step()
        scheduler.step()
    return _right(model, held_out.x, held_out.y)


@patient(family="schedules", source="https://arxiv.org/abs/1608.03983")
def seventh_a_rate_that_starts_over(writer: SummaryWriter) -> None:
    """Warm restarts at 0.2: the loss comes to nought, leaps with each restart, and comes to nought again; 98 % are told."""
    _restarted(writer)


def _scaled(writer: SummaryWriter) -> float:
    """Accuracy on held-out digits."""
    data, held_out = flat_digits()
    model = nn.Sequential(nn.Linear(64, 96), nn.GELU(), nn.Linear(96, 96), nn.GELU())
    model.append(nn.Linear(96, 10))
    optimizer = SGD(model.parameters(), lr=0.2, momentum=0.9)
    scaler: Any = torch.amp.GradScaler("cpu", init_scale=2.0**14, growth_interval=100)
    writer.watch(model, optimizer, scaler=scaler)
    for step, (x, y) in enumerate(data.batches(400)):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits = model(x)
        loss = nn.functional.cross_entropy(logits.float(), y)
        optimizer.zero_grad()
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        writer.add_diagnostics(loss=loss, global_step=step)
        scaler.step(optimizer)
        scaler.update()
    return _right(model, held_out.x, held_out.y)


@patient(
    family="half precision", source="https://docs.pytorch.org/docs/stable/notes/amp_examples.html"
)
def seventh_unscaled_before_it_is_clipped(writer: SummaryWriter) -> None:
    """Half precision by the book: scale, unscale, clip, step, while the scale doubles every hundred steps; 98 % are told."""
    _scaled(writer)


def _session(writer: SummaryWriter, steps: range, kept: dict[str, Any]) -> float:
    data, held_out = square_digits()
    model = _convolutions()
    optimizer = AdamW(model.parameters(), lr=2e-3)
    scheduler = LambdaLR(optimizer, lambda step: 0.5 * (1 + math.cos(math.pi * step / 300)))
    if kept:
        model.load_state_dict(kept["model"])
        optimizer.load_state_dict(kept["optimizer"])
        scheduler.load_state_dict(kept["scheduler"])
        torch.set_rng_state(kept["rng"])
    writer.watch(model, optimizer, scheduler=scheduler)
    for step in steps:
        rows = torch.randint(len(data.y), (16,))
        loss = nn.functional.cross_entropy(model(data.x[rows]), data.y[rows])
        optimizer.zero_grad()
        loss.backward()
        writer.add_diagnostics(loss=loss, global_step=step)
        optimizer.step()
        scheduler.step()
    kept["model"], kept["optimizer"] = model.state_dict(), optimizer.state_dict()
    kept["scheduler"], kept["rng"] = scheduler.state_dict(), torch.get_rng_state()
    return _right(model, held_out.x, held_out.y)


def _resumed(writer: SummaryWriter) -> float:
    """Accuracy on held-out digits after three sessions."""
    place = folder(writer)
    kept: dict[str, Any] = {}
    right = 0.0
    for first in (0, 100, 200):
        with SummaryWriter(place) as own:
            right = _session(own, range(first, first + 100), kept)
    return right


@patient(family="resumed")
def seventh_three_sessions_of_one_training(writer: SummaryWriter) -> None:
    """Interrupted twice, with everything kept: weights, moments, schedule and the state of the draws; 98 % are told."""
    _resumed(writer)


def _distilled(writer: SummaryWriter) -> float:
    """Accuracy of the small net on held-out digits."""
    data, held_out = square_digits()
    teacher = _convolutions()
    optimizer = Adam(teacher.parameters(), lr=2e-3)
    for x, y in data.batches(200):
        optimizer.zero_grad()
        nn.functional.cross_entropy(teacher(x), y).backward()
        optimizer.step()
    teacher.eval().requires_grad_(requires_grad=False)
    student = nn.Sequential(nn.Flatten(), nn.Linear(64, 24), nn.ReLU(), nn.Linear(24, 10))
    optimizer, t = Adam(student.parameters(), lr=5e-3), 6.0
    writer.watch(student, optimizer)
    for step, (x, y) in enumerate(data.batches(500)):
        logits = student(x)
        soft = nn.functional.kl_div(
            (logits / t).log_softmax(1), (teacher(x) / t).softmax(1), reduction="batchmean"
        )
        hard = nn.functional.cross_entropy(logits, y)
        loss = 0.9 * t * t * soft + 0.1 * hard
        optimizer.zero_grad()
        loss.backward()
        terms = {"soft": (soft, 0.9 * t * t), "hard": (hard, 0.1)}
        writer.add_diagnostics(loss=loss, loss_terms=terms, global_step=step)
        optimizer.step()
    return _right(student, held_out.x, held_out.y)


@patient(family="distillation", source="https://arxiv.org/abs/1503.02531")
def seventh_a_teacher_heard_through_heat(writer: SummaryWriter) -> None:
    """A temperature of 6 makes the soft term tiny; it is weighted by its square, as it should be, and the labels by a tenth; 96 % are told."""
    _distilled(writer)


class _Two(nn.Module):
    """One trunk for two tasks, and what is uncertain of them."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(64, 64), nn.ReLU())
        self.digit, self.ink = nn.Linear(64, 10), nn.Linear(64, 1)
        self.log_vars = nn.Parameter(torch.zeros(2))


def _weighed(writer: SummaryWriter) -> float:
    """Accuracy on held-out digits."""
    data, held_out = flat_digits()
    model = _Two()
    optimizer = Adam(model.parameters(), lr=3e-3)
    writer.watch(model, optimizer)
    for step, (x, y) in enumerate(data.batches(600)):
        features = model.trunk(x)
        ink = (x.sum(1, keepdim=True) - 19.5) / 3.5
        digit = nn.functional.cross_entropy(model.digit(features), y)
        error = nn.functional.mse_loss(model.ink(features), ink)
        s = model.log_vars
        loss = (-s[0]).exp() * digit + 0.5 * s[0] + 0.5 * (-s[1]).exp() * error + 0.5 * s[1]
        optimizer.zero_grad()
        loss.backward()
        writer.add_diagnostics(loss=loss, global_step=step)
        optimizer.step()
    return _right(nn.Sequential(model.trunk, model.digit), held_out.x, held_out.y)


@patient(family="tasks", source="https://arxiv.org/abs/1705.07115")
def seventh_tasks_that_weigh_themselves(writer: SummaryWriter) -> None:
    """Two tasks with learnable uncertainties that the optimizer does hold: the loss goes far below nought, and both get better; 96 % are told."""
    _weighed(writer)


def _kept(writer: SummaryWriter) -> float:
    """Accuracy on held-out digits that are smaller and darker."""
    data, held_out = square_digits()
    model = _convolutions()
    optimizer: Any = Adam(model.parameters(), lr=2e-3)
    for x, y in data.batches(200):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
    norms = [module for module in model if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.requires_grad_(requires_grad=False)
    optimizer = AdamW([p for p in model.parameters() if p.requires_grad], lr=3e-4)
    writer.watch(model, optimizer)
    model.train()
    for norm in norms:
        norm.eval()
    for step, (x, y) in enumerate(data.batches(400, 4)):
        loss = nn.functional.cross_entropy(model(0.6 * x.roll(1, 3)), y)
        optimizer.zero_grad()
        loss.backward()
        writer.add_diagnostics(loss=loss, global_step=step)
        optimizer.step()
    return _right(model, 0.6 * held_out.x.roll(1, 3), held_out.y)


@patient(family="fine-tuning")
def seventh_statistics_kept_as_they_were(writer: SummaryWriter) -> None:
    """Fine-tuned with four pictures a step: normalisation stays frozen in eval, as detectors do, and a step's loss says little; 97 % are told."""
    _kept(writer)
