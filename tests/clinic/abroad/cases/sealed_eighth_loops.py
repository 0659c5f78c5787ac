"""The eighth lot: loops by hand: resets, steps, parts, rates."""

from __future__ import annotations

from typing import Any

import torch
from clinic.abroad import patient
from clinic.case import NO_CODE
from clinic.data import flat_digits, square_digits
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812
from torch.optim import SGD, Adam, AdamW
from torch.optim.lr_scheduler import LambdaLR

from tb_lossdiag import SummaryWriter


def _keywords(count: int) -> tuple[Tensor, Tensor]:
    """Twenty frames of twelve bands of a spoken word, one of six, each a path through the bands."""
    word, shift = torch.randint(6, (count,)), torch.randint(4, (count, 1))
    time = torch.arange(20.0)
    slope = (word % 3 - 1)[:, None] * 0.3
    pitch = 6 + slope * (time - 10) + 2 * (word // 3)[:, None] * (0.7 * (time - shift)).sin()
    bands = torch.exp(-((torch.arange(12.0) - pitch[..., None]) ** 2) / 2)
    return bands + 0.4 * torch.randn(count, 20, 12), word


class _Executor:
    """One epoch after the other."""

    def __init__(self, writer: SummaryWriter, *, fixed: bool) -> None:
        self.writer, self.fixed, self.step = writer, fixed, 0

    def train(self, model: Any, optimizer: Any, x: Tensor, y: Tensor) -> None:
        model.train()
        for rows in torch.randperm(len(y)).split(20):
            if self.fixed:
                optimizer.zero_grad()
            logits = model["out"](model["gru"](x[rows])[0].mean(1))
            loss = F.cross_entropy(logits, y[rows])
            loss.backward()
            self.writer.add_diagnostics(loss=loss, global_step=self.step)
            optimizer.step()
            self.step += 1


def _spot(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Accuracy on new words."""
    x, y = _keywords(600)
    model = nn.ModuleDict({"gru": nn.GRU(12, 48, batch_first=True), "out": nn.Linear(48, 6)})
    optimizer = Adam(model.parameters(), lr=3e-3)
    executor = _Executor(writer, fixed=fixed)
    writer.watch(model, optimizer)
    for _epoch in range(9):
        executor.train(model, optimizer, x, y)
    x, y = _keywords(300)
    with torch.no_grad():
        logits = model["out"](model["gru"](x)[0].mean(1))
    return float((logits.argmax(1) == y).float().mean())


@patient(
    "LD606",
    also=("LD102", "LD103", "LD105", "LD111"),
    family="speech",
    source="https://github.com/wenet-e2e/wekws/pull/73",
)
def eighth_an_executor_without_a_reset(writer: SummaryWriter) -> None:
    """The executor of a keyword spotter calls `backward()` and `optimizer.step()`, and never `zero_grad()`."""
    _spot(writer)


def _one_step_an_epoch(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Accuracy on held-out digits."""
    data, held_out = square_digits()
    model = nn.Sequential(
        nn.Conv2d(1, 12, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(192, 10)
    )
    optimizer = SGD(model.parameters(), lr=0.05, momentum=0.9)
    writer.watch(model, optimizer)
    calls = 0
    for _epoch in range(24):
        loss = torch.zeros(())
        for rows in torch.randperm(len(data.y)).split(64):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(data.x[rows]), data.y[rows])
            loss.backward()
            writer.add_diagnostics(loss=loss, global_step=calls)
            calls += 1
            if fixed:
                optimizer.step()
        if not fixed:
            optimizer.step()
    with torch.no_grad():
        return float((model(held_out.x).argmax(1) == held_out.y).float().mean())


@patient(
    "LD628",
    also=("LD109", "LD104", "LD602"),
    family="digits",
    source="https://github.com/XinyiYS/Gradient-Driven-Rewards-to-Guarantee-Fairness-in-Collaborative-Machine-Learning/pull/3",
)
def eighth_a_step_beside_the_loop(writer: SummaryWriter) -> None:
    """`optimizer.step()` is indented too little: each batch resets the gradients, and the last one of an epoch is all that counts."""
    _one_step_an_epoch(writer)


def _pupil(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Accuracy of the student on held-out digits."""
    data, held_out = flat_digits()
    teacher = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))
    helper = Adam(teacher.parameters(), lr=3e-3)
    for x, y in data.batches(250):
        helper.zero_grad()
        F.cross_entropy(teacher(x), y).backward()
        helper.step()
    teacher.requires_grad_(requires_grad=False)
    student = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
    optimizer = SGD(student.parameters(), lr=0.1, momentum=0.9)
    writer.watch(student, optimizer)
    accumulation, t = 16, 2.0
    for step in range(150):
        optimizer.zero_grad()
        for x, y in data.batches(accumulation, 8):
            logits = student(x)
            kd = F.kl_div(
                F.log_softmax(logits / t, 1), F.softmax(teacher(x) / t, 1), reduction="batchmean"
            )
            loss = 0.5 * kd * t**2 + 0.5 * F.cross_entropy(logits, y)
            loss = loss / accumulation if fixed else loss
            loss.backward()
            writer.add_diagnostics(loss=loss, global_step=step)
        optimizer.step()
    with torch.no_grad():
        return float((student(held_out.x).argmax(1) == held_out.y).float().mean())


@patient(
    "LD408",
    also=("LD102", "LD103", "LD105", "LD111", "LD202", "LD203", "LD601", "LD701"),
    family="distillation",
    source="https://github.com/agokrani/distillKitPlus/issues/5",
)
def eighth_sixteen_parts_added_up(writer: SummaryWriter) -> None:
    """A student's loss is summed over sixteen parts of a step and never divided by sixteen."""
    _pupil(writer)


def _scheduled(optimizer: Any, max_epoch: int = 1, n_init: int = 50, n_decay: int = 50) -> LambdaLR:
    """The rate is kept for a while, and goes down in a line then."""
    return LambdaLR(
        optimizer, lambda it: 1.0 - max(0, it + max_epoch - n_init) / float(n_decay + 1)
    )


def _anything(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Squared error of the held-out lower halves against their variance."""
    data, held_out = flat_digits()
    net = nn.Sequential(nn.Linear(32, 96), nn.GELU(), nn.Linear(96, 32))
    optimizer = AdamW(net.parameters(), lr=1e-3, weight_decay=1e-4)
    scheduler = _scheduled(optimizer, 1, 50, 151) if fixed else _scheduled(optimizer)
    writer.watch(net, optimizer, scheduler=scheduler)
    for iteration, (x, _) in enumerate(data.batches(200, 32)):
        loss = F.mse_loss(net(x[:, :32]), x[:, 32:])
        optimizer.zero_grad()
        loss.backward()
        writer.add_diagnostics(loss=loss, global_step=iteration)
        optimizer.step()
        scheduler.step()
    with torch.no_grad():
        error = F.mse_loss(net(held_out.x[:, :32]), held_out.x[:, 32:])
    return float(error / held_out.x[:, 32:].var())


@patient(
    "LD607",
    "LD613",
    also=("LD101", "LD102", "LD103", "LD111", "LD202", "LD203", "LD601", "LD508", "LD608"),
    family="schedules",
    source="https://github.com/ziqi-jin/finetune-anything/issues/57",
)
def eighth_a_rate_below_nought(writer: SummaryWriter) -> None:
    """A linear schedule made for 100 epochs, its default, is stepped 200 times: the rate goes below 0, and the net climbs."""
    _anything(writer)


class _Denoiser(nn.Module):
    """Takes a noisy picture and gives a clean one."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 16, 3, padding=1), nn.ReLU(),
            nn.Conv2d(16, 1, 3, padding=1),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        clean: Tensor = self.net(x)
        return clean


def _pairs(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Squared error of held-out pictures that were noisy."""
    data, held_out = square_digits()
    a, b = (data.x + 0.4 * torch.randn_like(data.x) for _ in range(2))
    net = _Denoiser()
    optimizer = Adam(net.parameters(), lr=1e-2)
    writer.watch(net, optimizer)
    for step in range(300):
        rows = torch.randint(len(data.y), (16,))
        as_: list[Tensor] = []
        bs_: list[Tensor] = []
        for row in rows:
            if not fixed:
                as_, bs_ = [], []
            as_.append(a[row])
            bs_.append(b[row])
        loss = F.mse_loss(net(torch.stack(as_)), torch.stack(bs_))
        optimizer.zero_grad()
        loss.backward()
        writer.add_diagnostics(loss=loss, global_step=step)
        optimizer.step()
    noisy = held_out.x + 0.4 * torch.randn_like(held_out.x)
    with torch.no_grad():
        return float(F.mse_loss(net(noisy), held_out.x))


@patient(
    NO_CODE,
    also=("LD207", "LD518", "LD109"),
    hard=True,
    family="microscopy",
    source="https://github.com/WeisongZhao/SN2N/issues/9",
)
def eighth_one_picture_of_sixteen(writer: SummaryWriter) -> None:
    """The lists that collect a batch are made anew inside of the loop that fills them: of sixteen pictures the last one is trained on."""
    _pairs(writer)
