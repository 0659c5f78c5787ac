"""The seventh lot, what is sound: softened labels, floors of noise, many classes, sums, decay, few examples, courses."""

from __future__ import annotations

from itertools import pairwise

import torch
from clinic.abroad import patient
from clinic.data import flat_digits, square_digits
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW

from tb_lossdiag import SummaryWriter


def _mlp(*sizes: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for before, after in pairwise(sizes):
        layers += [nn.Linear(before, after), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def _step(writer: SummaryWriter, optimizer: torch.optim.Optimizer, loss: Tensor, step: int) -> None:
    optimizer.zero_grad()
    loss.backward()
    writer.add_diagnostics(loss=loss, global_step=step)
    optimizer.step()


@torch.no_grad()
def _right(model: nn.Module, x: Tensor, y: Tensor) -> float:
    model.eval()
    return float((model(x).argmax(1) == y).float().mean())


def _mixed(writer: SummaryWriter) -> float:
    """Accuracy on held-out digits."""
    data, held_out = square_digits()
    model = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.Flatten(),
        nn.Linear(512, 10),
    )  # fmt: skip
    optimizer = SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4)
    writer.watch(model, optimizer)
    for step, (x, y) in enumerate(data.batches(400)):
        share, other = torch.distributions.Beta(0.8, 0.8).sample(), torch.randperm(len(y))
        logits = model(share * x + (1 - share) * x[other])
        parts = [nn.functional.cross_entropy(logits, t, label_smoothing=0.2) for t in (y, y[other])]
        _step(writer, optimizer, share * parts[0] + (1 - share) * parts[1], step)
    return _right(model, held_out.x, held_out.y)


@patient(family="digits", source="https://arxiv.org/abs/1710.09412")
def seventh_pictures_laid_over_each_other(writer: SummaryWriter) -> None:
    """Mixup and smoothed labels: the loss jumps and stays near 1.3, while 98 % of the digits are told."""
    _mixed(writer)


def _floor(writer: SummaryWriter) -> float:
    """Squared error of what is without noise, against its variance."""
    x = torch.randn(4000, 6)
    truth = (x[:, :1] + x[:, 1:2] * x[:, 2:3].tanh()) * 0.5
    y = truth + torch.randn(4000, 1)
    model = _mlp(6, 32, 1)
    optimizer = AdamW(model.parameters(), lr=2e-3)
    writer.watch(model, optimizer)
    for step, rows in enumerate(torch.randint(3500, (700, 64))):
        _step(writer, optimizer, nn.functional.mse_loss(model(x[rows]), y[rows]), step)
        if step % 50 == 49:
            with torch.no_grad():
                valid = nn.functional.mse_loss(model(x[3500:]), y[3500:])
            writer.add_diagnostics(loss=valid, phase="validation", global_step=step)
    with torch.no_grad():
        return float(nn.functional.mse_loss(model(x[3500:]), truth[3500:]) / truth.var())


@patient(family="regression")
def seventh_more_noise_than_signal(writer: SummaryWriter) -> None:
    """Two thirds of the target's variance are noise: the loss comes down to 1 within two hundred steps and stays there; 95 % of the rest is explained."""
    _floor(writer)


def _people(writer: SummaryWriter) -> float:
    """Share of new pictures of two thousand people who are recognised."""
    faces = torch.randn(2000, 32)
    model = nn.Sequential(_mlp(32, 256, 128), nn.LayerNorm(128), nn.Linear(128, 2000))
    optimizer = AdamW(model.parameters(), lr=3e-3)
    writer.watch(model, optimizer)
    for step in range(400):
        who = torch.randint(2000, (128,))
        x = faces[who] + 0.3 * torch.randn(128, 32)
        _step(writer, optimizer, nn.functional.cross_entropy(model(x), who), step)
    who = torch.randint(2000, (2000,))
    return _right(model, faces[who] + 0.3 * torch.randn(2000, 32), who)


@patient(family="faces")
def seventh_two_thousand_people(writer: SummaryWriter) -> None:
    """Begins near log 2000, and most people are not in a batch at all; nearly all are recognised in the end."""
    _people(writer)


def _summed(writer: SummaryWriter) -> float:
    """Squared error of the rate against its variance."""
    x = torch.randn(3000, 5)
    rate = (1.0 + 0.8 * x[:, :1] + 0.5 * x[:, 1:2].sin()).exp()
    counts = torch.poisson(rate)
    model = _mlp(5, 48, 1)
    optimizer = Adam(model.parameters(), lr=2e-3)
    writer.watch(model, optimizer)
    for step, rows in enumerate(torch.randint(2500, (600, 100))):
        log_rate = model(x[rows])
        loss = nn.functional.poisson_nll_loss(log_rate, counts[rows], full=True, reduction="sum")
        _step(writer, optimizer, loss, step)
    with torch.no_grad():
        found = model(x[2500:])
    return float((found - rate[2500:].log()).square().mean() / rate[2500:].log().var())


@patient(family="counts")
def seventh_a_likelihood_that_is_a_sum(writer: SummaryWriter) -> None:
    """Poisson's likelihood, summed over the batch as statisticians do, with Adam, to whom that makes no difference: 98 % of the rates are explained."""
    _summed(writer)


def _decayed(writer: SummaryWriter) -> float:
    """Accuracy on held-out digits."""
    data, held_out = flat_digits()
    model = _mlp(64, 128, 128, 10)
    optimizer = AdamW(model.parameters(), lr=2e-3, weight_decay=1.0)
    writer.watch(model, optimizer)
    for step, (x, y) in enumerate(data.batches(600)):
        _step(writer, optimizer, nn.functional.cross_entropy(model(x), y), step)
    return _right(model, held_out.x, held_out.y)


@patient(family="digits")
def seventh_a_decay_of_one(writer: SummaryWriter) -> None:
    """AdamW with a weight decay of 1, as for grokking: weights get smaller and the net gets better, up to 97 %."""
    _decayed(writer)


def _few(writer: SummaryWriter) -> float:
    """Accuracy on held-out digits from 7 to 9, of which six each were seen."""
    data, held_out = square_digits()
    net = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.Flatten(),
    )  # fmt: skip
    old = data.y < 7
    both, x, y = nn.Sequential(net, nn.Linear(512, 7)), data.x[old], data.y[old]
    optimizer: torch.optim.Optimizer = Adam(both.parameters(), lr=2e-3)
    for rows in torch.randint(len(y), (300, 64)):
        optimizer.zero_grad()
        nn.functional.cross_entropy(both(x[rows]), y[rows]).backward()
        optimizer.step()
    shots = torch.cat([(data.y == digit).nonzero()[:6, 0] for digit in range(7, 10)])
    x, y = data.x[shots], data.y[shots] - 7
    model = nn.Sequential(net, nn.Linear(512, 3))
    net.requires_grad_(requires_grad=False)
    optimizer = AdamW(model[1].parameters(), lr=2e-3, weight_decay=0.1)
    writer.watch(model, optimizer)
    for step in range(150):
        _step(writer, optimizer, nn.functional.cross_entropy(model(x), y), step)
    test = held_out.y > 6
    return _right(model, held_out.x[test], held_out.y[test] - 7)


@patient(family="few examples")
def seventh_six_of_each(writer: SummaryWriter) -> None:
    """Eighteen examples in one batch, again and again, on a net that is frozen but for its head: 90 % of three new digits are told."""
    _few(writer)


class _Sums(nn.Module):
    """Adds up marked numbers of a sequence."""

    def __init__(self) -> None:
        super().__init__()
        self.gru, self.head = nn.GRU(2, 48, batch_first=True), nn.Linear(48, 1)

    def forward(self, x: Tensor) -> Tensor:
        total: Tensor = self.head(self.gru(x)[0][:, -1])
        return total


def _course(writer: SummaryWriter) -> float:
    """Squared error of the longest ones, against their variance."""

    def lesson(length: int) -> tuple[Tensor, Tensor]:
        numbers = torch.rand(64, length) - 0.5
        marks = (torch.rand(64, length) < 0.5).float()
        return torch.stack([numbers, marks], 2), (numbers * marks).sum(1, keepdim=True)

    model = _Sums()
    optimizer = Adam(model.parameters(), lr=5e-3)
    writer.watch(model, optimizer)
    for step in range(800):
        x, y = lesson((2, 6, 12, 24)[step // 200])
        loss = nn.functional.mse_loss(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        writer.add_diagnostics(loss=loss, global_step=step)
        optimizer.step()
    x, y = lesson(24)
    with torch.no_grad():
        return float(nn.functional.mse_loss(model(x), y) / y.var())


@patient(family="courses", source="https://arxiv.org/abs/1410.4615")
def seventh_lessons_that_get_longer(writer: SummaryWriter) -> None:
    """A course of four lessons: with each, the sequences get longer and the loss leaps, before it falls again; 99 % of the longest are explained."""
    _course(writer)
