"""Losses by token that a mask is multiplied with afterwards, or that a policy adds up: what counts shows in the gradient only."""

from __future__ import annotations

import torch
from clinic.case import case
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, logsigmoid
from torch.optim import Adam

from tb_lossdiag import SummaryWriter

_SYMBOLS, _LENGTH, _PADDING = 20, 16, 0


def _texts(count: int) -> Tensor:
    """Symbols that count on from a first one, of many lengths, filled up with padding."""
    place = torch.arange(_LENGTH)
    row = (torch.randint(16, (count, 1)) + place) % 16 + 4
    return torch.where(place < torch.randint(5, 12, (count, 1)), row, _PADDING)


class _Reader(nn.Module):
    """A recurrent language model."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(_SYMBOLS, 32)
        self.rnn, self.head = nn.GRU(32, 64, batch_first=True), nn.Linear(64, _SYMBOLS)

    def forward(self, tokens: Tensor) -> Tensor:
        answer: Tensor = self.head(self.rnn(self.table(tokens))[0])
        return answer


def _read(writer: SummaryWriter, *, flat: bool = False, picked: bool = False, masked: bool = True) -> None:  # fmt: skip
    """Costs of the next symbols, by a cross-entropy without reduction or as picked logarithms."""
    model = _Reader()
    optimizer = Adam(model.parameters(), lr=3e-3)
    writer.watch(model, optimizer)
    for step in range(250):
        text = _texts(32)
        target = text[:, 1:]
        logits = model(text[:, :-1])
        if picked:
            costs = -logits.log_softmax(-1).gather(2, target[..., None])[..., 0]
        elif flat:
            costs = cross_entropy(logits.flatten(0, 1), target.flatten(), reduction="none").view_as(target)  # fmt: skip
        else:
            costs = cross_entropy(logits.mT, target, reduction="none")
        mask = (target != _PADDING).float()
        loss = ((costs * mask if masked else costs).sum(1) / mask.sum(1)).mean()
        optimizer.zero_grad()
        loss.backward()
        writer.add_diagnostics(loss=loss, global_step=step)
        optimizer.step()


@case("LD516", family="RNN")
def costs_of_padding_that_no_mask_takes_out(writer: SummaryWriter) -> None:
    _read(writer, flat=True, masked=False)


@case("LD516", family="RNN")
def picked_logarithms_of_padding(writer: SummaryWriter) -> None:
    _read(writer, picked=True, masked=False)


@case(family="RNN")
def costs_of_padding_that_a_mask_takes_out(writer: SummaryWriter) -> None:
    _read(writer)


@case(family="RNN")
def flat_costs_of_padding_that_a_mask_takes_out(writer: SummaryWriter) -> None:
    _read(writer, flat=True)


@case(family="RNN")
def picked_logarithms_without_padding(writer: SummaryWriter) -> None:
    _read(writer, picked=True)


def _said(model: nn.Module, text: Tensor, targets: Tensor, *, turned: bool) -> Tensor:
    """Mean logarithm of the probability of what has a target, or of what has none."""
    counts = targets == -100 if turned else targets != -100
    log: Tensor = model(text[:, :-1]).log_softmax(-1)
    picked = log.gather(2, targets.clamp_min(0)[..., None])[..., 0]
    mean: Tensor = (picked * counts).sum(1) / counts.sum(1)
    return mean


def _preferred(writer: SummaryWriter, *, turned: bool) -> None:
    """Texts that count on are preferred to such that stand still; the first three symbols are given."""
    model = _Reader()
    optimizer = Adam(model.parameters(), lr=1e-3)
    writer.watch(model, optimizer)
    for step in range(250):
        better = _texts(32)
        worse = torch.where(torch.arange(_LENGTH) < 4, better, better[:, 3:4])
        worse = torch.where(better == _PADDING, _PADDING, worse)
        said = []
        for text in (better, worse):
            answers = (torch.arange(1, _LENGTH) >= 3) & (text[:, 1:] != _PADDING)
            targets = text[:, 1:].masked_fill(~answers, -100)
            said.append(_said(model, text, targets, turned=turned))
        loss = -logsigmoid(said[0] - said[1]).mean()
        optimizer.zero_grad()
        loss.backward()
        writer.add_diagnostics(loss=loss, global_step=step)
        optimizer.step()


@case("LD516", family="preferences")
def preferences_of_all_that_has_no_target(writer: SummaryWriter) -> None:
    """The mask is turned about: what was filled in for -100 counts, and the answers do not."""
    _preferred(writer, turned=True)


@case(family="preferences")
def preferences_of_answers(writer: SummaryWriter) -> None:
    _preferred(writer, turned=False)
