"""Healthy trainings that come close to breaking a law of the training step."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator

import torch
from clinic.case import case
from clinic.data import Samples, flat_digits, friedman
from clinic.loops import fit
from clinic.nets import TwoTasks, mlp
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, mse_loss
from torch.optim import SGD, Adam, AdamW

from tb_lossdiag import SummaryWriter


def _parts(data: Samples, parts: int, steps: int) -> list[list[tuple[Tensor, Tensor]]]:
    batches = data.batches(parts * steps, 16)
    return [[next(batches) for _ in range(parts)] for _ in range(steps)]


@case(family="MLP")
def eight_parts_averaged(writer: SummaryWriter) -> None:
    training, _ = flat_digits()
    model = mlp(64, 64, 10)
    optimizer = AdamW(model.parameters(), lr=1e-3)
    writer.watch(model, optimizer)
    for step, parts in enumerate(_parts(training, 8, 200)):
        loss = torch.zeros(())
        for x, y in parts:
            part = cross_entropy(model(x), y) / len(parts)
            part.backward()
            loss += part.detach()
        optimizer.step()
        optimizer.zero_grad()
        writer.add_diagnostics(loss=loss, global_step=step)


@case(family="multi-task")
def each_task_backpropagates_its_own(writer: SummaryWriter) -> None:
    """Two tasks, one line for both: their sum is meant."""
    training, _ = flat_digits()
    model = TwoTasks()
    optimizer = Adam(model.parameters(), lr=1e-3)
    writer.watch(model, optimizer)
    for step, (x, y) in enumerate(training.batches(300)):
        digit, ink = model(x)
        total = 0.0
        for loss in (cross_entropy(digit, y), mse_loss(ink, x.sum(1, keepdim=True) / 20)):
            loss.backward(retain_graph=True)
            total += float(loss.detach())
        optimizer.step()
        optimizer.zero_grad()
        writer.add_diagnostics(loss=total, global_step=step)


@case(family="GAN")
def real_and_made_in_one_loop(writer: SummaryWriter) -> None:
    """A discriminator asked twice a step by the same line: once of what is real, once of what is made."""
    judge, make = mlp(2, 32, 1), mlp(4, 32, 2)
    optimizers = Adam(judge.parameters(), lr=1e-3), Adam(make.parameters(), lr=1e-3)
    for name, model, optimizer in zip(("d", "g"), (judge, make), optimizers, strict=True):
        writer.watch(model, optimizer, name=name)
    for step in range(300):
        real, made = torch.randn(64, 2) + 2, make(torch.randn(64, 4))
        optimizers[0].zero_grad()
        for samples, truth in ((real, 1.0), (made.detach(), 0.0)):
            truths = torch.full((64, 1), truth)
            binary_cross_entropy_with_logits(judge(samples), truths).backward()
        optimizers[0].step()
        optimizers[1].zero_grad()
        loss = binary_cross_entropy_with_logits(judge(made), torch.ones(64, 1))
        loss.backward()
        optimizers[1].step()
        writer.add_diagnostics(loss=loss, global_step=step)


@case(family="MLP")
def clean_and_attacked(writer: SummaryWriter) -> None:
    """Adversarial training: the same labels twice, the second time of attacked images."""
    training, _ = flat_digits()
    model: nn.Module = mlp(64, 64, 10)
    optimizer = SGD(model.parameters(), lr=0.05)
    writer.watch(model, optimizer)
    for step, (x, y) in enumerate(training.batches(300)):
        optimizer.zero_grad()
        images, loss = x.clone().requires_grad_(), torch.zeros(())
        for _ in range(2):
            loss = cross_entropy(model(images), y)
            loss.backward()
            assert images.grad is not None
            images = (x + 0.03 * images.grad.sign()).detach().requires_grad_()
        optimizer.step()
        writer.add_diagnostics(loss=loss, global_step=step)


@case(family="regression")
def running_statistics_catch_up(writer: SummaryWriter) -> None:
    """Batch normalisation of features far from mean 0, in a run that is long enough for it."""
    training, validation = friedman().split(800)
    norm = nn.BatchNorm1d(64)
    first = nn.Linear(10, 64)
    nn.init.constant_(first.bias, 5.0)
    model = nn.Sequential(first, nn.ReLU(), norm, nn.Linear(64, 1))
    optimizer = Adam(model.parameters(), lr=1e-3)
    batches = training.batches(400, 100)
    fit(writer, model, optimizer, batches, mse_loss, validation=validation)


@case(family="MLP")
def a_running_mean_in_the_log(writer: SummaryWriter) -> None:
    training, _ = flat_digits()
    model = mlp(64, 64, 10)
    optimizer = Adam(model.parameters(), lr=1e-3)
    writer.watch(model, optimizer)
    mean = 0.0
    for step, (x, y) in enumerate(training.batches(300)):
        optimizer.zero_grad()
        loss = cross_entropy(model(x), y) + 1e-4 * sum(p.square().sum() for p in model.parameters())
        loss.backward()
        optimizer.step()
        mean = float(loss.detach()) if step == 0 else 0.9 * mean + 0.1 * float(loss.detach())
        writer.add_diagnostics(loss=mean, global_step=step)


def _bootstrapped(writer: SummaryWriter, tau: float, every: int) -> None:
    """Values of a walk, learned from a second network that follows."""
    model = mlp(10, 32, 1)
    target = copy.deepcopy(model)
    optimizer = Adam(model.parameters(), lr=3e-3)
    writer.watch(model, optimizer)
    for step in range(600):
        here = torch.randint(0, 9, (64,))
        with torch.no_grad():
            last = (here == 8).float()[:, None]
            reward = last + 0.2 * torch.randn(64, 1)
            wanted = reward + 0.9 * (1 - last) * target(torch.eye(10)[here + 1])
        loss = mse_loss(model(torch.eye(10)[here]), wanted)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % every == 0:
            with torch.no_grad():
                for slow, fast in zip(target.parameters(), model.parameters(), strict=True):
                    slow.lerp_(fast, tau)
        writer.add_diagnostics(loss=loss, global_step=step)


@case(family="RL")
def target_network_copied_now_and_then(writer: SummaryWriter) -> None:
    _bootstrapped(writer, 1.0, 128)


@case(family="RL")
def target_network_follows_slowly(writer: SummaryWriter) -> None:
    _bootstrapped(writer, 0.01, 1)


def _taught(writer: SummaryWriter, loaded: tuple[int, ...] = ()) -> None:
    """A student of a teacher of its shape, whose weights are loaded (again) after these steps."""
    training, _ = flat_digits()
    teacher, model = mlp(64, 64, 10), mlp(64, 64, 10)
    first = Adam(teacher.parameters(), lr=3e-3)
    for x, y in training.batches(200):
        first.zero_grad()
        cross_entropy(teacher(x), y).backward()
        first.step()
    saved = copy.deepcopy(teacher.state_dict())
    optimizer = Adam(model.parameters(), lr=1e-3)
    writer.watch(model, optimizer)
    for step, (x, _) in enumerate(training.batches(400)):
        with torch.no_grad():
            wanted = teacher(x)
        optimizer.zero_grad()
        loss = mse_loss(model(x), wanted)
        loss.backward()
        optimizer.step()
        if step in loaded:
            teacher.load_state_dict(saved)
        writer.add_diagnostics(loss=loss, global_step=step)


@case(family="MLP")
def a_frozen_teacher_of_another_training(writer: SummaryWriter) -> None:
    _taught(writer)


@case(family="MLP")
def a_frozen_teacher_that_is_loaded_again(writer: SummaryWriter) -> None:
    """As after an evaluation that used the same network for something else."""
    _taught(writer, (100, 300))


@case(family="MLP")
def weights_that_make_classes_even(writer: SummaryWriter) -> None:
    training, _ = flat_digits()
    kept = (training.y == 0) | (torch.rand(len(training.y)) < 0.1)
    rare = Samples(training.x[kept], training.y[kept])
    counts = rare.y.bincount(minlength=10).clamp(min=1).float()
    weight = counts.sum() / (10 * counts)
    model = mlp(64, 32, 10)

    def loss_of(logits: Tensor, y: Tensor) -> Tensor:
        return cross_entropy(logits, y, weight=weight)

    fit(writer, model, Adam(model.parameters(), lr=1e-3), rare.batches(400), loss_of)


@case(family="MLP")
def restarts_by_hand(writer: SummaryWriter) -> None:
    """Five warm restarts, as snapshot ensembles have them."""
    training, _ = flat_digits()
    model = mlp(64, 64, 10)
    optimizer = SGD(model.parameters(), lr=0.1, momentum=0.9)
    writer.watch(model, optimizer)
    for step, (x, y) in enumerate(training.batches(400)):
        optimizer.param_groups[0]["lr"] = 0.05 * (1 + math.cos(math.pi * (step % 80) / 80))
        optimizer.zero_grad()
        loss = cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        writer.add_diagnostics(loss=loss, global_step=step)


@case(family="MLP")
def training_is_augmented(writer: SummaryWriter) -> None:
    """Noise, brightness and erased pixels in training alone."""
    training, validation = flat_digits()
    model = mlp(64, 64, 10)
    optimizer = Adam(model.parameters(), lr=1e-3)

    def augmented() -> Iterator[tuple[Tensor, Tensor]]:
        for x, y in training.batches(300):
            bright = x * (0.7 + 0.6 * torch.rand(len(x), 1)) + 0.1 * torch.randn_like(x)
            yield bright * (torch.rand_like(x) > 0.2), y

    fit(writer, model, optimizer, augmented(), validation=validation, every=25)
