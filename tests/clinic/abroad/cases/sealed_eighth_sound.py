"""The eighth lot, what is sound: fraud, teachers, pruning, tasks within tasks, refinement, scribbles."""

from __future__ import annotations

import copy
import math

import torch
from clinic.abroad import patient
from clinic.data import flat_digits, square_digits
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F  # noqa: N812
from torch.nn.utils import prune
from torch.optim import SGD, Adam, AdamW

from tb_lossdiag import SummaryWriter


def _payments(count: int) -> tuple[Tensor, Tensor]:
    """Fourteen numbers of a payment, and whether it is fraud: three in a hundred are."""
    x = torch.randn(count, 14)
    score = x[:, 0] * x[:, 1] + x[:, 2] + 0.5 * x[:, 3].square()
    return x, (score > 3.4).float()


def _focal(logits: Tensor, targets: Tensor, alpha: float = 0.75, gamma: float = 2.0) -> Tensor:
    """Of which each sample weighs what is missing of its certainty."""
    ce = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    p = logits.sigmoid()
    right = p * targets + (1 - p) * (1 - targets)
    weight = alpha * targets + (1 - alpha) * (1 - targets)
    return (weight * (1 - right) ** gamma * ce).mean()


def _frauds(writer: SummaryWriter) -> float:
    """Share of pairs of a fraud and an honest payment that are ordered rightly."""
    x, y = _payments(6000)
    net = nn.Sequential(
        nn.Linear(14, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 1)
    )
    optimizer = AdamW(net.parameters(), lr=3e-3)
    writer.watch(net, optimizer)
    for step, rows in enumerate(torch.randint(5000, (400, 128))):
        loss = _focal(net(x[rows])[:, 0], y[rows])
        optimizer.zero_grad()
        loss.backward()
        writer.add_diagnostics(loss=loss, global_step=step)
        optimizer.step()
    with torch.no_grad():
        score = net(x[5000:])[:, 0]
    truth = y[5000:] > 0
    return float((score[truth][:, None] > score[~truth][None]).float().mean())


@patient(family="tabular")
def eighth_a_focus_without_a_minus(writer: SummaryWriter) -> None:
    """Focal loss as `(1 - p)^2` times a cross-entropy, reported to lack a minus, which the cross-entropy has; three payments in a hundred are frauds."""
    _frauds(writer)


def _net() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.Flatten(),
        nn.Linear(512, 10),
    )  # fmt: skip


def _mean_teacher(writer: SummaryWriter) -> float:
    """Accuracy of the teacher on held-out digits."""
    data, held_out = square_digits()
    y = torch.where(torch.arange(len(data.y)) < 60, data.y, -1)
    student = _net()
    teacher = copy.deepcopy(student).requires_grad_(requires_grad=False)
    optimizer = Adam(student.parameters(), lr=2e-3)
    writer.watch(student, optimizer)
    for step in range(300):
        rows = torch.cat([torch.randint(60, (8,)), torch.randint(len(y), (24,))])
        x, labels = data.x[rows], y[rows]
        said = student(x + 0.2 * torch.randn_like(x))
        with torch.no_grad():
            heard = teacher(x + 0.2 * torch.randn_like(x)).softmax(1)
        supervised = F.cross_entropy(said, labels, ignore_index=-1)
        ramp = 20.0 * math.exp(-5 * (1 - min(1.0, step / 200)) ** 2)
        consistency = F.mse_loss(said.softmax(1), heard)
        loss = supervised + ramp * consistency
        optimizer.zero_grad()
        loss.backward()
        terms = {"supervised": supervised, "consistency": (consistency, ramp)}
        writer.add_diagnostics(loss=loss, loss_terms=terms, global_step=step)
        optimizer.step()
        with torch.no_grad():
            tau = min(0.97, 1 - 1 / (step + 2))
            for mine, its in zip(student.parameters(), teacher.parameters(), strict=True):
                its.mul_(tau).add_(mine, alpha=1 - tau)
    teacher.eval()
    with torch.no_grad():
        return float((teacher(held_out.x).argmax(1) == held_out.y).float().mean())


@patient(family="teachers")
def eighth_sixty_labels_and_a_mean_teacher(writer: SummaryWriter) -> None:
    """Most pictures have no label and are ignored; the weight of what the average of the weights says grows from nearly nought to twenty."""
    _mean_teacher(writer)


def _pruned(writer: SummaryWriter) -> float:
    """Accuracy on held-out digits with an eighth of the weights."""
    data, held_out = flat_digits()
    net = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU())
    net.append(nn.Linear(128, 10))
    optimizer = Adam(net.parameters(), lr=2e-3)
    writer.watch(net, optimizer)
    for step, (x, y) in enumerate(data.batches(480, 32)):
        if step in {120, 240, 360}:
            for layer in net:
                if isinstance(layer, nn.Linear):
                    prune.l1_unstructured(layer, "weight", amount=0.5)
        loss = F.cross_entropy(net(x), y)
        optimizer.zero_grad()
        loss.backward()
        writer.add_diagnostics(loss=loss, global_step=step)
        optimizer.step()
    with torch.no_grad():
        return float((net(held_out.x).argmax(1) == held_out.y).float().mean())


@patient(family="pruning")
def eighth_half_of_the_weights_three_times(writer: SummaryWriter) -> None:
    """Every 120 steps the smaller half of the weights is cut away: the loss leaps and recovers; an eighth is left, and tells the digits."""
    _pruned(writer)


def _sines(writer: SummaryWriter) -> float:
    """Squared error of new curves after three steps on ten points."""
    net = nn.Sequential(nn.Linear(1, 48), nn.Tanh(), nn.Linear(48, 48), nn.Tanh(), nn.Linear(48, 1))
    meta = Adam(net.parameters(), lr=2e-3)
    writer.watch(net, meta)

    def adapted(x: Tensor, y: Tensor, steps: int) -> dict[str, Tensor]:
        fast: dict[str, Tensor] = dict(net.named_parameters())
        for _ in range(steps):
            inner = F.mse_loss(functional_call(net, fast, (x,)), y)
            slopes = torch.autograd.grad(inner, list(fast.values()), create_graph=True)
            fast = {k: p - 0.1 * g for (k, p), g in zip(fast.items(), slopes, strict=True)}
        return fast

    def task() -> tuple[Tensor, Tensor]:
        x = 6 * torch.rand(20, 1) - 3
        return x, (0.5 + 2 * torch.rand(())) * (x + 3 * torch.rand(())).sin()

    for step in range(200):
        outer = torch.zeros(())
        for _ in range(4):
            x, y = task()
            fast = adapted(x[:10], y[:10], 2)
            outer = outer + F.mse_loss(functional_call(net, fast, (x[10:],)), y[10:]) / 4
        outer.backward()
        writer.add_diagnostics(loss=outer, global_step=step)
        meta.step()
        meta.zero_grad()
    errors = []
    for _ in range(50):
        x, y = task()
        fast = adapted(x[:10], y[:10], 3)
        errors.append(float(F.mse_loss(functional_call(net, fast, (x[10:],)), y[10:])))
    return sum(errors) / 50


@patient(family="tasks")
def eighth_curves_within_curves(writer: SummaryWriter) -> None:
    """MAML: what is minimised is the error after two steps on a task of its own, through which the gradient goes; reset after the step."""
    _sines(writer)


def _refine(writer: SummaryWriter) -> float:
    """Squared error of held-out pictures, after the last of four rounds."""
    data, held_out = square_digits()
    net = nn.Sequential(
        nn.Conv2d(2, 24, 3, padding=1), nn.ReLU(), nn.Conv2d(24, 24, 3, padding=1), nn.ReLU(),
        nn.Conv2d(24, 1, 3, padding=1),
    )  # fmt: skip
    optimizer = Adam(net.parameters(), lr=2e-3)
    writer.watch(net, optimizer)
    for step, (x, _) in enumerate(data.batches(200, 16)):
        blurred = F.avg_pool2d(x, 3, 1, 1)
        guess, total = torch.zeros_like(x), torch.zeros(())
        optimizer.zero_grad()
        for _round in range(4):
            guess = guess.detach() + net(torch.cat([blurred, guess.detach()], 1))
            loss = F.mse_loss(guess, x)
            loss.backward()
            total = total + loss.detach()
        writer.add_diagnostics(loss=total, global_step=step)
        optimizer.step()
    x = held_out.x
    blurred, guess = F.avg_pool2d(x, 3, 1, 1), torch.zeros_like(x)
    with torch.no_grad():
        for _ in range(4):
            guess = guess + net(torch.cat([blurred, guess], 1))
    return float(F.mse_loss(guess, x))


@patient(family="pictures")
def eighth_four_rounds_and_one_step(writer: SummaryWriter) -> None:
    """A picture is refined four times, each with a `backward()` of its own, and one step is taken for all four: their sum is what is meant."""
    _refine(writer)


def _scribbles(writer: SummaryWriter) -> float:
    """Overlap with the ground of new pictures."""

    def scenes(count: int) -> tuple[Tensor, Tensor]:
        edge = 6 * torch.rand(count, 1, 1) + 5
        slope = 0.8 * torch.rand(count, 1, 1) - 0.4
        row, column = torch.arange(16.0)[:, None], torch.arange(16.0)
        ground = (row > edge + slope * (column - 8)).long()
        return (ground - 0.5)[:, None] + 0.6 * torch.randn(count, 1, 16, 16), ground

    x, ground = scenes(300)
    labels = torch.where(torch.rand(ground.shape) < 0.03, ground, 255)
    trunk = nn.Sequential(nn.Conv2d(1, 16, 5, padding=2), nn.BatchNorm2d(16), nn.ReLU())
    deep = nn.Sequential(nn.Conv2d(16, 16, 5, padding=2), nn.BatchNorm2d(16), nn.ReLU())
    heads = nn.ModuleList(nn.Conv2d(16, 2, 1) for _ in range(2))
    model = nn.ModuleDict({"trunk": trunk, "deep": deep, "heads": heads})
    optimizer = SGD(model.parameters(), lr=0.05, momentum=0.9, nesterov=True)
    writer.watch(model, optimizer)
    for step, rows in enumerate(torch.randint(300, (250, 8))):
        early = trunk(x[rows])
        side = F.cross_entropy(heads[0](early), labels[rows], ignore_index=255)
        main = F.cross_entropy(heads[1](deep(early)), labels[rows], ignore_index=255)
        loss = main + 0.4 * side
        optimizer.zero_grad()
        loss.backward()
        terms = {"main": main, "side": (side, 0.4)}
        writer.add_diagnostics(loss=loss, loss_terms=terms, global_step=step)
        optimizer.step()
    model.eval()
    x, ground = scenes(100)
    with torch.no_grad():
        found = heads[1](deep(trunk(x))).argmax(1)
    return float((found * ground).sum() / ((found + ground) > 0).sum())


@patient(family="segmentation")
def eighth_three_pixels_in_a_hundred(writer: SummaryWriter) -> None:
    """Scribbles: 97 of a hundred pixels are ignored, by 255, and a head halfway up is asked as well; the ground is found."""
    _scribbles(writer)


def _lowered(writer: SummaryWriter) -> float:
    """Accuracy on held-out digits."""
    data, held_out = square_digits()
    net, rate, step = _net(), 0.1, 0
    writer.watch(net, SGD(net.parameters(), lr=rate))
    for epoch in range(6):
        if epoch in {3, 5}:
            rate /= 5
        optimizer = SGD(net.parameters(), lr=rate)
        writer.watch(net, optimizer)
        for rows in torch.randperm(len(data.y)).split(32):
            loss = F.cross_entropy(net(data.x[rows]), data.y[rows])
            optimizer.zero_grad()
            loss.backward()
            writer.add_diagnostics(loss=loss, global_step=step)
            optimizer.step()
            step += 1
    net.eval()
    with torch.no_grad():
        return float((net(held_out.x).argmax(1) == held_out.y).float().mean())


@patient(family="digits")
def eighth_an_optimizer_that_has_nothing_to_lose(writer: SummaryWriter) -> None:
    """Plain descent without momentum is made anew for each epoch, at a fifth of the rate now and then: it has no state, so that nothing is lost."""
    _lowered(writer)
