"""Parts of a step that count their targets unequally, and students that agree with their teacher on nothing."""

from __future__ import annotations

import copy

import torch
from clinic.case import case
from clinic.data import flat_digits, square_digits
from clinic.nets import cnn, mlp
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize, triplet_margin_loss
from torch.optim import Adam, AdamW

from tb_lossdiag import SummaryWriter

_PARTS, _IGNORED = 4, -100


def _answers(writer: SummaryWriter, *, even: bool) -> None:
    """Steps of four parts, of which each scores another number of its targets, as answers of a chat have other lengths."""
    training, _ = flat_digits()
    model = mlp(64, 64, 10)
    optimizer = Adam(model.parameters(), lr=1e-3)
    writer.watch(model, optimizer)
    for step in range(200):
        parts = []
        for x, y in training.batches(_PARTS, 64):
            scored = torch.rand(()) * 0.9 + 0.1
            parts.append((x, torch.where(torch.rand(64) < scored, y, _IGNORED)))
        count = torch.stack([(y != _IGNORED).sum() for _, y in parts]).sum()
        total = torch.zeros(())
        for x, y in parts:
            summed = cross_entropy(model(x), y, reduction="sum") / count
            loss = summed if even else cross_entropy(model(x), y) / _PARTS
            loss.backward()
            total += loss.detach()
        optimizer.step()
        optimizer.zero_grad()
        writer.add_diagnostics(loss=total, global_step=step)


@case("LD409", family="MLP", source="huggingface/transformers#34191")
def short_answers_weigh_more(writer: SummaryWriter) -> None:
    _answers(writer, even=False)


@case(family="MLP")
def each_answer_counts_by_its_targets(writer: SummaryWriter) -> None:
    _answers(writer, even=True)


class _Prototypes(nn.Module):
    """Likenesses of an image to 64 prototypes."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.last = cnn(nn.GELU, outputs=32), nn.Linear(32, 64, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return normalize(self.body(x)) @ normalize(self.last.weight).T


def _view(x: Tensor) -> Tensor:
    """The image moved by a pixel, in another light."""
    moved = torch.roll(x, torch.randint(-1, 2, (2,)).tolist(), (2, 3)) + 0.1 * torch.randn_like(x)
    return moved * (0.7 + 0.6 * torch.rand(len(x), 1, 1, 1))


@case("LD539", family="contrastive", source="facebookresearch/dinov2#407")
def the_teacher_is_too_soft(writer: SummaryWriter) -> None:
    """A student after a teacher that is its average, whose answers are centred and as soft as they come."""
    training, _ = square_digits()
    student = _Prototypes()
    teacher = copy.deepcopy(student).requires_grad_(requires_grad=False)
    optimizer = AdamW(student.parameters(), lr=1e-3)
    writer.watch(student, optimizer)
    centre = torch.zeros(64)
    for step, (x, _) in enumerate(training.batches(400)):
        with torch.no_grad():
            answers = teacher(_view(x))
            wanted = (answers - centre).softmax(1)
            centre = centre.lerp(answers.mean(0), 0.1)
        loss = -(wanted * (student(_view(x)) / 0.1).log_softmax(1)).sum(1).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            for slow, fast in zip(teacher.parameters(), student.parameters(), strict=True):
                slow.lerp_(fast, 0.01)
        writer.add_diagnostics(loss=loss, global_step=step)


@case(family="contrastive")
def triplets_that_come_apart(writer: SummaryWriter) -> None:
    """Digits of one class near each other, others apart."""
    training, _ = flat_digits()
    model = mlp(64, 64, 16)
    optimizer = Adam(model.parameters(), lr=1e-3)
    writer.watch(model, optimizer)
    for step, (x, y) in enumerate(training.batches(300)):
        codes = model(x)
        alike = y[:, None] == y[None, :]
        near = (alike.float() + 1e-6).fill_diagonal_(1e-6).multinomial(1).flatten()
        far = (~alike).float().multinomial(1).flatten()
        loss = triplet_margin_loss(codes, codes[near], codes[far], margin=1.0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        writer.add_diagnostics(loss=loss, global_step=step)
