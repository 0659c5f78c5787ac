"""The sixth lot, what is sound: optimizers, thaws, margins, sets, doubts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from clinic.abroad import patient
from clinic.data import flat_digits, friedman, square_digits
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW, Optimizer
from torch.optim.lr_scheduler import CosineAnnealingWarmRestarts

from tb_lossdiag import SummaryWriter


def _right(model: nn.Module, x: Tensor, y: Tensor) -> float:
    with torch.no_grad():
        return float((model(x).argmax(1) == y).float().mean())


class _Lion(Optimizer):
    """Steps of the sign of an interpolated momentum."""

    def __init__(self, params: Iterable[Tensor], lr: float, weight_decay: float) -> None:
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]  # noqa: ARG002
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                if not state:
                    state["exp_avg"] = torch.zeros_like(p)
                average = state["exp_avg"]
                p.mul_(1 - group["lr"] * group["weight_decay"])
                p.add_((0.9 * average + 0.1 * p.grad).sign(), alpha=-group["lr"])
                average.mul_(0.99).add_(p.grad, alpha=0.01)


def _signs(writer: SummaryWriter) -> float:
    """Accuracy on held-out digits."""
    data, held_out = flat_digits()
    model = nn.Sequential(nn.Linear(64, 96), nn.GELU(), nn.Linear(96, 10))
    optimizer = _Lion(model.parameters(), lr=1e-3, weight_decay=0.1)
    writer.watch(model, optimizer)
    for step, (x, y) in enumerate(data.batches(300)):
        loss = nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        writer.add_diagnostics(loss=loss, global_step=step)
        optimizer.step()
    return _right(model, held_out.x, held_out.y)


@patient(family="optimizers", source="https://arxiv.org/abs/2302.06675")
def sixth_steps_of_signs_alone(writer: SummaryWriter) -> None:
    """Lion, written by hand: every weight moves by the same amount at each step."""
    _signs(writer)


def _restarts(writer: SummaryWriter) -> float:
    """Accuracy on held-out digits after three cycles."""
    data, held_out = square_digits()
    model = nn.Sequential(
        nn.Conv2d(1, 12, 3, padding=1, bias=False), nn.BatchNorm2d(12), nn.ReLU(),
        nn.MaxPool2d(2), nn.Flatten(), nn.Linear(192, 10),
    )  # fmt: skip
    optimizer = SGD(model.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=5e-4)
    scheduler = CosineAnnealingWarmRestarts(optimizer, T_0=60, T_mult=2)
    writer.watch(model, optimizer, scheduler=scheduler)
    for step, (x, y) in enumerate(data.batches(420, 48)):
        loss = nn.functional.cross_entropy(model(x), y, label_smoothing=0.1)
        optimizer.zero_grad()
        loss.backward()
        writer.add_diagnostics(loss=loss, global_step=step)
        optimizer.step()
        scheduler.step()
        if step % 60 == 59:
            model.eval()
            with torch.no_grad():
                valid = nn.functional.cross_entropy(model(held_out.x), held_out.y)
            writer.add_diagnostics(loss=valid, phase="validation", global_step=step)
            model.train()
    model.eval()
    return _right(model, held_out.x, held_out.y)


@patient(family="schedules", source="https://arxiv.org/abs/1608.03983")
def sixth_restarts_that_are_meant(writer: SummaryWriter) -> None:
    """A cosine with warm restarts, each cycle twice as long: the rate leaps, and the loss with it; labels are smoothed."""
    _restarts(writer)


def _thawed(writer: SummaryWriter) -> float:
    """Accuracy on digits drawn in white of a net that had learnt black ones, thawed from its end."""
    data, held_out = flat_digits()
    model = nn.Sequential(
        nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10)
    )
    before = Adam(model.parameters(), lr=3e-3)
    for x, y in data.batches(200):
        before.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        before.step()
    before.zero_grad()
    layers = [model[4], model[2], model[0]]
    model.requires_grad_(requires_grad=False)
    optimizer = AdamW(model.parameters(), lr=2e-3)
    writer.watch(model, optimizer)
    for step, (x, y) in enumerate(data.batches(360)):
        if step % 120 == 0:
            layers[step // 120].requires_grad_(requires_grad=True)
        loss = nn.functional.cross_entropy(model(1 - x), y)
        optimizer.zero_grad()
        loss.backward()
        writer.add_diagnostics(loss=loss, global_step=step)
        optimizer.step()
    return _right(model, 1 - held_out.x, held_out.y)


@patient(family="fine-tuning", source="https://arxiv.org/abs/1801.06146")
def sixth_layers_thawed_one_by_one(writer: SummaryWriter) -> None:
    """Gradual unfreezing: most of the model has no gradient for the first third, and the optimizer holds it all along."""
    _thawed(writer)


def _margins(writer: SummaryWriter) -> float:
    """Accuracy at telling two well parted kinds of points, by a margin that all points meet in the end."""
    direction = nn.functional.normalize(torch.randn(20), dim=0)
    x = torch.randn(600, 20)
    y = (x @ direction).sign()
    x = x + 1.5 * y[:, None] * direction
    model = nn.Linear(20, 1)
    optimizer = SGD(model.parameters(), lr=0.1)
    writer.watch(model, optimizer)
    for step, rows in enumerate(torch.randint(500, (400, 25))):
        score = model(x[rows])[:, 0]
        loss = (1 - y[rows] * score).clamp(min=0).mean()
        optimizer.zero_grad()
        loss.backward()
        writer.add_diagnostics(loss=loss, global_step=step)
        optimizer.step()
    with torch.no_grad():
        return float((model(x[500:])[:, 0].sign() == y[500:]).float().mean())


@patient(family="margins")
def sixth_a_margin_that_all_meet(writer: SummaryWriter) -> None:
    """A linear machine with a hinge, by hand, on points that can be parted: many batches cost exactly nothing at the end."""
    _margins(writer)


class _Sets(nn.Module):
    """Attention over a set, pooled."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(30, 32)
        self.attention = nn.MultiheadAttention(32, 2, batch_first=True)
        self.second = nn.MultiheadAttention(32, 2, batch_first=True)
        self.head = nn.Sequential(nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 1))

    def forward(self, x: Tensor) -> Tensor:
        h = self.embed(x)
        h = h + self.attention(h, h, h, need_weights=False)[0]
        h = h + self.second(h, h, h, need_weights=False)[0]
        answer: Tensor = self.head(h.sum(1) / 4)[:, 0]
        return answer


def _sets(writer: SummaryWriter) -> float:
    """Squared error of the value of a basket, in which the order says nothing."""
    worth = torch.randn(30)
    model = _Sets()
    optimizer = AdamW(model.parameters(), lr=2e-3)
    writer.watch(model, optimizer)

    def baskets(count: int) -> tuple[Tensor, Tensor]:
        x = torch.randint(30, (count, 8))
        return x, worth[x].amax(1) + 0.3 * worth[x].sum(1)

    for step in range(400):
        x, y = baskets(48)
        loss = nn.functional.mse_loss(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        writer.add_diagnostics(loss=loss, global_step=step)
        optimizer.step()
    x, y = baskets(500)
    with torch.no_grad():
        return float(nn.functional.mse_loss(model(x), y) / y.var())


@patient(family="sets", source="https://arxiv.org/abs/1810.00825")
def sixth_baskets_without_an_order(writer: SummaryWriter) -> None:
    """Attention over the things in a basket: it is given no positions, since there are none."""
    _sets(writer)


def _doubts(writer: SummaryWriter) -> float:
    """Share of the variance that is left unexplained by the mean of twenty draws."""
    train, test = friedman(noise=1.0).split(800)
    model = nn.Sequential(
        nn.Linear(10, 96), nn.ReLU(), nn.Dropout(0.1), nn.Linear(96, 96), nn.ReLU(),
        nn.Dropout(0.1), nn.Linear(96, 1),
    )  # fmt: skip
    optimizer = AdamW(model.parameters(), lr=3e-3, weight_decay=1e-2)
    writer.watch(model, optimizer)
    draws = torch.zeros(1)
    for step, (x, y) in enumerate(train.batches(500, 50)):
        loss = nn.functional.mse_loss(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        writer.add_diagnostics(loss=loss, global_step=step)
        optimizer.step()
        if step % 50 == 49:
            model.eval()
            for part in model:
                if isinstance(part, nn.Dropout):
                    part.train()
            with torch.no_grad():
                draws = torch.stack([model(test.x) for _ in range(20)])
            valid = nn.functional.mse_loss(draws.mean(0), test.y)
            writer.add_diagnostics(loss=valid, phase="validation", global_step=step)
            model.train()
    return float(nn.functional.mse_loss(draws.mean(0), test.y) / test.y.var())


@patient(family="tables", source="https://arxiv.org/abs/1506.02142")
def sixth_dropout_kept_for_its_doubts(writer: SummaryWriter) -> None:
    """Monte Carlo dropout: at evaluation the dropout layers are put back into train mode, and twenty answers averaged."""
    _doubts(writer)
