"""The seventh lot, what is sound: rare objects, speech, equations."""

from __future__ import annotations

import torch
from clinic.abroad import patient
from torch import Tensor, nn
from torch.optim import Adam, AdamW

from tb_lossdiag import SummaryWriter


def _skies(count: int) -> tuple[Tensor, Tensor]:
    """Noisy pictures of 24 x 24 with one or two small crosses, and the cells in which they are."""
    x, cells = 0.3 * torch.randn(count, 1, 24, 24), torch.zeros(count, 1, 12, 12)
    for place in range(count):
        for _ in range(1 + place % 2):
            row, column = torch.randint(1, 11, (2,)).tolist()
            x[place, 0, 2 * row - 1 : 2 * row + 2, 2 * column] += 1.0
            x[place, 0, 2 * row, 2 * column - 1 : 2 * column + 2] += 1.0
            cells[place, 0, row, column] = 1.0
    return x, cells


def _focal(writer: SummaryWriter) -> float:
    """F1 of the cells of new pictures."""
    x, cells = _skies(400)
    last = nn.Conv2d(32, 1, 1)
    model = nn.Sequential(
        nn.Conv2d(1, 16, 3, 2, 1), nn.ReLU(), nn.Conv2d(16, 32, 3, 1, 1), nn.ReLU(), last
    )
    assert last.bias is not None
    nn.init.constant_(last.bias, -4.6)
    optimizer = AdamW(model.parameters(), lr=3e-3)
    writer.watch(model, optimizer)
    for step, rows in enumerate(torch.randint(400, (350, 16))):
        logits, truth = model(x[rows]), cells[rows]
        ce = nn.functional.binary_cross_entropy_with_logits(logits, truth, reduction="none")
        p = logits.sigmoid()
        missed = truth * (1 - p) + (1 - truth) * p
        alpha = 0.25 * truth + 0.75 * (1 - truth)
        loss = (alpha * missed.square() * ce).sum() / truth.sum()
        optimizer.zero_grad()
        loss.backward()
        writer.add_diagnostics(loss=loss, global_step=step)
        optimizer.step()
    x, cells = _skies(200)
    with torch.no_grad():
        found = (model(x) > 0).float()
    return float(2 * (found * cells).sum() / (found.sum() + cells.sum()))


@patient(family="detection", source="https://arxiv.org/abs/1708.02002")
def seventh_one_cell_in_a_hundred(writer: SummaryWriter) -> None:
    """Focal loss with a prior of a hundredth in the last bias, summed and divided by the number of objects, as RetinaNet has it; an F1 of 0.99."""
    _focal(writer)


def _utterances(count: int) -> tuple[Tensor, Tensor]:
    """Forty noisy frames in which five of eight sounds follow each other, each for three to eight frames."""
    shapes = torch.randn(9, 12, generator=torch.Generator().manual_seed(1))
    labels = torch.randint(1, 9, (count, 5))
    frames = torch.zeros(count, 40, dtype=torch.long)
    for row in range(count):
        at = 0
        for label, length in zip(labels[row], torch.randint(3, 8, (5,)).tolist(), strict=True):
            at += 1
            frames[row, at : at + length] = label
            at += length
    return shapes[frames] + 0.8 * torch.randn(count, 40, 12), labels


class _Listener(nn.Module):
    """Log probabilities of sounds and of none, for each frame."""

    def __init__(self) -> None:
        super().__init__()
        self.gru, self.head = nn.GRU(12, 48, batch_first=True, bidirectional=True), nn.Linear(96, 9)

    def forward(self, x: Tensor) -> Tensor:
        logps: Tensor = self.head(self.gru(x)[0]).log_softmax(2)
        return logps


def _spoken(writer: SummaryWriter) -> float:
    """Share of new utterances that are understood wholly."""
    x, labels = _utterances(600)
    model = _Listener()
    optimizer = AdamW(model.parameters(), lr=5e-3)
    writer.watch(model, optimizer)
    lengths = (torch.full((16,), 40), torch.full((16,), 5))
    for step, rows in enumerate(torch.randint(600, (300, 16))):
        logps = model(x[rows]).transpose(0, 1)
        loss = nn.functional.ctc_loss(logps, labels[rows], *lengths)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        writer.add_diagnostics(loss=loss, global_step=step)
        optimizer.step()
    x, labels = _utterances(200)
    with torch.no_grad():
        best = model(x).argmax(2)
    right = 0
    for row, truth in zip(best, labels, strict=True):
        heard = row.unique_consecutive()
        right += heard[heard > 0].tolist() == truth.tolist()
    return right / 200


@patient(family="speech")
def seventh_silence_before_speech(writer: SummaryWriter) -> None:
    """CTC: the loss begins very high, then everything is blank for a while and it stands still, and then it falls; 95 % are understood."""
    _spoken(writer)


def _heat(writer: SummaryWriter) -> float:
    """Largest error of the temperature."""
    pi = torch.pi
    net = nn.Sequential(nn.Linear(2, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 1))
    optimizer = Adam(net.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.998)
    writer.watch(net, optimizer)

    def derivative(u: Tensor, by: Tensor) -> Tensor:
        return torch.autograd.grad(u.sum(), by, create_graph=True)[0]

    for step in range(900):
        x, t = torch.rand(256, 1, requires_grad=True), torch.rand(256, 1, requires_grad=True)
        u = net(torch.cat([x, t], 1))
        residual = derivative(u, t) - 0.1 * derivative(derivative(u, x), x)
        start = net(torch.cat([x, torch.zeros_like(x)], 1)) - (pi * x).sin()
        ends = net(torch.cat([(x > 0.5).float(), t], 1))
        terms = {
            "pde": residual.square().mean(),
            "start": (start.square().mean(), 20.0),
            "ends": (ends.square().mean(), 20.0),
        }
        loss = terms["pde"] + 20.0 * (start.square().mean() + ends.square().mean())
        optimizer.zero_grad()
        loss.backward()
        writer.add_diagnostics(loss=loss, loss_terms=terms, global_step=step)
        optimizer.step()
        schedule.step()
    grid = torch.cartesian_prod(torch.linspace(0, 1, 21), torch.linspace(0, 1, 21))
    exact = (-0.1 * pi**2 * grid[:, 1:]).exp() * (pi * grid[:, :1]).sin()
    with torch.no_grad():
        return float((net(grid) - exact).abs().max())


@patient(family="equations", source="https://arxiv.org/abs/1711.10561")
def seventh_a_rod_that_cools(writer: SummaryWriter) -> None:
    """The heat equation: points are drawn anew each step and three terms lie orders apart; the loss is never smooth, and errs by 0.03 at most."""
    _heat(writer)
