"""The third lot, of fields: equations, meanings of words, and sound trainings that look odd."""

from __future__ import annotations

import math

import torch
from clinic.abroad import patient
from clinic.abroad.corpora import SIZE, sentences
from clinic.abroad.loops import Terms, train
from clinic.data import digit_rows, flat_digits, square_digits
from clinic.nets import mlp
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, logsigmoid
from torch.optim import SGD, Adam, SparseAdam
from torch.optim.swa_utils import SWALR, AveragedModel
from torch.utils.checkpoint import checkpoint

from tb_lossdiag import SummaryWriter


def _equation(writer: SummaryWriter, span: float) -> None:
    """A net that solves u'' = -(2 pi / span)^2 u with u(0) = 0, u'(0) = 2 pi / span, over such a span."""
    model = nn.Sequential(*mlp(1, 32, 32, 1, activation=nn.Tanh))
    pace = 2 * math.pi / span
    start = torch.zeros(1, 1)

    def losses() -> tuple[Tensor, Terms]:
        x = (span * torch.rand(128, 1)).requires_grad_()
        u = model(x)
        (slope,) = torch.autograd.grad(u.sum(), x, create_graph=True)
        (bend,) = torch.autograd.grad(slope.sum(), x, create_graph=True)
        law = (bend / pace**2 + u).square().mean()
        zero = start.clone().requires_grad_()
        (steep,) = torch.autograd.grad(model(zero).sum(), zero, create_graph=True)
        edge = model(start).square().mean() + (steep / pace - 1).square().mean()
        return law + edge, {"law": law, "edge": edge}

    train(writer, model, Adam(model.parameters(), 3e-3), losses, 500)


@patient(
    "LD510",
    "LD702",
    family="equations",
    source="https://github.com/Photon-AI-Research/NeuralSolvers/pull/50, "
    "https://github.com/pierremtb/PINNs-TF2.0/issues/1",
)
def an_equation_over_two_thousand_metres(writer: SummaryWriter) -> None:
    """A physics-informed net is given metres from 0 to 2048, for which its `tanh` has one answer."""
    _equation(writer, 2048.0)


@patient(family="equations")
def an_equation_over_two(writer: SummaryWriter) -> None:
    """The same equation from 0 to 2: a loss made of derivatives alone."""
    _equation(writer, 2.0)


@patient(family="words")
def meanings_of_words(writer: SummaryWriter) -> None:
    """word2vec: sparse gradients, five random words against each neighbour."""
    tokens = sentences(1000)
    inner, outer = (nn.Embedding(SIZE, 24, sparse=True) for _ in range(2))
    nn.init.uniform_(inner.weight, -0.02, 0.02)
    nn.init.zeros_(outer.weight)
    model = nn.ModuleDict({"inner": inner, "outer": outer})

    def loss() -> Tensor:
        rows, place = torch.randint(1000, (128,)), torch.randint(23, (128,))
        word, near = tokens[rows, place], tokens[rows, place + 1]
        seen = inner(word)
        right = (seen * outer(near)).sum(1)
        wrong = (outer(torch.randint(4, SIZE, (128, 5))) @ seen[:, :, None])[:, :, 0]
        return -(logsigmoid(right) + logsigmoid(-wrong).sum(1)).mean()

    train(writer, model, SparseAdam(list(model.parameters()), 1e-2), loss, 400)


@patient(family="MLP")
def twice_forward_for_each_step(writer: SummaryWriter) -> None:
    """Sharpness-aware: climb a little, take the gradient there, go back, and step with it."""
    digits, held_out = flat_digits()
    model = mlp(64, 96, 10)
    optimizer = SGD(model.parameters(), 0.1, momentum=0.9)
    writer.watch(model, optimizer)
    for step, (x, y) in enumerate(digits.batches(250)):
        optimizer.zero_grad()
        loss = cross_entropy(model(x), y)
        loss.backward()
        slopes = [p.grad.clone() for p in model.parameters() if p.grad is not None]
        length = torch.stack([slope.norm() for slope in slopes]).norm() + 1e-12
        climbs = [0.05 * slope / length for slope in slopes]
        with torch.no_grad():
            for weight, climb in zip(model.parameters(), climbs, strict=True):
                weight.add_(climb)
        optimizer.zero_grad()
        cross_entropy(model(x), y).backward()
        with torch.no_grad():
            for weight, climb in zip(model.parameters(), climbs, strict=True):
                weight.sub_(climb)
        writer.add_diagnostics(loss=loss, global_step=step)
        optimizer.step()
        if step % 25 == 24:
            with torch.no_grad():
                held = cross_entropy(model(held_out.x), held_out.y)
            writer.add_diagnostics(loss=held, phase="validation", global_step=step)


@patient(family="CNN")
def weights_averaged_at_a_high_rate(writer: SummaryWriter) -> None:
    """Stochastic weight averaging: the rate stays high at the end, and the average is validated."""
    digits, held_out = square_digits()
    model = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(256, 10),
    )  # fmt: skip
    optimizer = SGD(model.parameters(), 0.1, momentum=0.9)
    schedule = SWALR(optimizer, swa_lr=0.05, anneal_epochs=50)
    average = AveragedModel(model, use_buffers=True)
    batches = digits.batches(300)

    def loss() -> Tensor:
        x, y = next(batches)
        return cross_entropy(model(x), y)

    def held() -> Tensor:
        average.eval()
        return cross_entropy(average(held_out.x), held_out.y)

    train(
        writer, model, optimizer, loss, 300, scheduler=schedule,
        after=lambda: average.update_parameters(model), validate=held,
    )  # fmt: skip


@patient(family="transformer")
def four_parts_recomputed_in_bfloat16(writer: SummaryWriter) -> None:
    """Checkpointed blocks under autocast, four parts of a batch to a step, each divided by four."""
    digits, _ = digit_rows()
    blocks = nn.ModuleList(
        nn.TransformerEncoderLayer(32, 4, 64, 0.0, batch_first=True, norm_first=True)
        for _ in range(2)
    )
    enter, head = nn.Linear(8, 32), nn.Linear(256, 10)
    model = nn.ModuleDict({"enter": enter, "blocks": blocks, "head": head})
    optimizer = Adam(model.parameters(), 1e-3)
    writer.watch(model, optimizer)
    parts = digits.batches(4 * 150, 16)
    for step in range(150):
        optimizer.zero_grad()
        total = torch.zeros(())
        for _ in range(4):
            x, y = next(parts)
            with torch.autocast("cpu", torch.bfloat16):
                h = enter(x)
                for block in blocks:
                    h = checkpoint(block, h, use_reentrant=False)
                loss = cross_entropy(head(h.flatten(1)), y)
            (loss / 4).backward()
            total += loss.detach() / 4
        writer.add_diagnostics(loss=total, global_step=step)
        optimizer.step()


@patient(family="MLP")
def a_plateau_before_it_is_understood(writer: SummaryWriter) -> None:
    """Is the number of ones among three of twenty-four signs odd? For a long time the loss stays at that of guessing."""
    model = mlp(24, 128, 1)

    def loss() -> Tensor:
        x = torch.randint(0, 2, (128, 24)) * 2.0 - 1
        odd = x[:, 0] * x[:, 1] * x[:, 2]
        return -logsigmoid(odd * model(x)[:, 0]).mean()

    train(writer, model, Adam(model.parameters(), 3e-3), loss, 700)
