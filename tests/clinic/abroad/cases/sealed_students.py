"""Contrastive learning, distillation, tasks that are weighed, and bfloat16."""

from __future__ import annotations

from collections.abc import Callable

import torch
from clinic.abroad import patient
from clinic.abroad.loops import Terms, train
from clinic.data import Samples, flat_digits, friedman, square_digits
from clinic.nets import TwoTasks, cnn, mlp
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, kl_div, mse_loss, normalize
from torch.optim import SGD, Adam, AdamW

from tb_lossdiag import SummaryWriter

STEPS = 300


def _match(writer: SummaryWriter, alike: Callable[[Tensor, Tensor], Tensor]) -> None:
    """Upper halves of digits and their lower halves, each by a network of its own."""
    digits, _ = flat_digits()
    model = nn.ModuleDict({"upper": mlp(32, 64, 32), "lower": mlp(32, 64, 32)})

    def loss() -> Tensor:
        x = digits.x[torch.randint(len(digits.x), (64,))]
        scores = alike(model["upper"](x[:, :32]), model["lower"](x[:, 32:]))
        return cross_entropy(scores, torch.arange(64))

    train(writer, model, Adam(model.parameters(), 1e-3), loss, 400)


@patient("LD520", "LD519", family="contrastive", source="MichalBortkiewicz/JaxGCRL PR 64")
def one_norm_for_the_whole_batch(writer: SummaryWriter) -> None:
    """Cosines are divided by the norm of all rows together: logits are tiny, and all pairs look alike."""
    _match(writer, lambda a, b: (a / a.norm()) @ (b / b.norm()).T)


@patient(family="contrastive")
def one_norm_for_each_row(writer: SummaryWriter) -> None:
    """Cosines of rows, over a temperature."""
    _match(writer, lambda a, b: normalize(a) @ normalize(b).T / 0.1)


def _teacher() -> nn.Module:
    """A convolutional network that knows its digits."""
    digits, _ = square_digits()
    model = cnn()
    optimizer = Adam(model.parameters(), lr=3e-3)
    for x, y in digits.batches(150):
        optimizer.zero_grad()
        cross_entropy(model(x), y).backward()
        optimizer.step()
    return model.eval().requires_grad_(requires_grad=False)


def _distil(writer: SummaryWriter, *, shuffled: bool) -> None:
    """A small student; the teacher's answers were written down once, batch after batch."""
    digits, held_out = square_digits()
    answers = _teacher()(digits.x).detach() / 4
    order = torch.randperm(len(digits.y)) if shuffled else torch.arange(len(digits.y))
    answers = answers[order]
    model = nn.Sequential(nn.Flatten(), *mlp(64, 24, 10))

    def losses() -> tuple[Tensor, Terms]:
        rows = torch.randint(len(digits.y), (64,))
        scores = model(digits.x[rows])
        known = cross_entropy(scores, digits.y[rows])
        told = 16 * kl_div(
            (scores / 4).log_softmax(1), answers[rows].softmax(1), reduction="batchmean"
        )
        return 0.1 * known + 0.9 * told, {"labels": (known, 0.1), "teacher": (told, 0.9)}

    train(
        writer, model, Adam(model.parameters(), 3e-3), losses, STEPS,
        validate=lambda: cross_entropy(model(held_out.x), held_out.y),
    )  # fmt: skip


@patient(
    "LD545",
    family="distillation",
    also=("LD405",),
    source="haitongli/knowledge-distillation-pytorch PR 17",
)
def the_teachers_answers_to_other_pictures(writer: SummaryWriter) -> None:
    """The teacher's answers were written down in another order than the student's loader gives."""
    _distil(writer, shuffled=True)


@patient(family="distillation")
def the_teachers_answers_to_these_pictures(writer: SummaryWriter) -> None:
    """In the same order, over a temperature whose square is multiplied back."""
    _distil(writer, shuffled=False)


@patient(family="two tasks")
def tasks_that_weigh_themselves(writer: SummaryWriter) -> None:
    """Learned log-variances weigh two tasks: the loss goes below 0, and may (aharley/simple_bev issue 13)."""
    digits, _ = flat_digits()
    model = TwoTasks()
    spread = nn.Parameter(torch.zeros(2))
    whole = nn.ModuleDict({"tasks": model, "weights": nn.ParameterList([spread])})
    batches = iter(digits.batches(500))

    def losses() -> tuple[Tensor, Terms]:
        x, y = next(batches)
        kind, ink = model(x)
        first, second = cross_entropy(kind, y), mse_loss(ink[:, 0], x.mean(1))
        loss = first * (-spread[0]).exp() + second * (-spread[1]).exp() + 0.5 * spread.sum()
        return loss, {"kind": first, "ink": second}

    train(writer, whole, Adam(whole.parameters(), 3e-3), losses, 500)


@patient(
    "LD611",
    family="bfloat16",
    source="tianweiy/CausVid issue 19, pytorch/xla issue 3167, hp-l33/AiM issue 10",
)
def weights_in_bfloat16(writer: SummaryWriter) -> None:
    """`model.to(bfloat16)`, at a rate whose steps are lost in the weights' rounding."""
    training, held_out = friedman().split(800)
    model = mlp(10, 256, 1).to(torch.bfloat16)
    batches = iter(training.batches(700))

    def loss() -> Tensor:
        x, y = next(batches)
        return mse_loss(model(x.bfloat16()).float(), y)

    train(
        writer, model, AdamW(model.parameters(), 1e-4), loss, 700,
        validate=lambda: mse_loss(model(held_out.x.bfloat16()).float(), held_out.y),
    )  # fmt: skip


@patient(family="bfloat16")
def a_forward_in_bfloat16(writer: SummaryWriter) -> None:
    """Weights in float32, and only the forward under `autocast` (pytorch/pytorch issue 120376)."""
    training, held_out = friedman().split(800)
    model = mlp(10, 64, 64, 1)
    batches = iter(training.batches(500))

    def wrong(data: Samples) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            answer = model(data.x)
        return mse_loss(answer.float(), data.y)

    train(
        writer, model, AdamW(model.parameters(), 1e-3), lambda: wrong(Samples(*next(batches))), 500,
        validate=lambda: wrong(held_out),
    )  # fmt: skip


@patient("LD721", family="dropout", source="bonlime/keras-deeplab-v3-plus issue 4")
def nine_tenths_dropped(writer: SummaryWriter) -> None:
    """`keep_prob=0.9` of another library became `Dropout(0.9)`."""
    digits, held_out = square_digits()
    layers = (nn.Linear(64, 128), nn.ReLU(), nn.Dropout(0.9), nn.Linear(128, 64), nn.ReLU())
    model = nn.Sequential(nn.Flatten(), *layers, nn.Dropout(0.9), nn.Linear(64, 10))
    batches = iter(digits.batches(STEPS))

    def loss() -> Tensor:
        x, y = next(batches)
        return cross_entropy(model(x), y)

    train(
        writer, model, SGD(model.parameters(), 0.02, momentum=0.9), loss, STEPS,
        validate=lambda: cross_entropy(model(held_out.x), held_out.y),
    )  # fmt: skip
