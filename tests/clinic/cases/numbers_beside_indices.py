"""Tables of indices and numbers: some as they were stored, some brought to scale, some that are no measurement at all."""

from __future__ import annotations

from collections.abc import Callable

import torch
from clinic.case import case
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.optim import Adam

from tb_lossdiag import SummaryWriter

_USERS, _KINDS = 60, 8
_Turned = Callable[[Tensor], Tensor]


class _Table(nn.Module):
    """Who, which kinds, and numbers: all together go through a small network."""

    def __init__(self, numbers: int, *, normed: bool) -> None:
        super().__init__()
        self.who, self.kind = nn.Embedding(_USERS, 8), nn.Embedding(_KINDS, 8)
        first = nn.BatchNorm1d(numbers) if normed else nn.Identity()
        self.numbers, self.body = (
            first,
            nn.Sequential(nn.Linear(16 + numbers, 32), nn.ReLU(), nn.Linear(32, 1)),
        )

    def forward(self, who: Tensor, kind: Tensor, numbers: Tensor) -> Tensor:
        rows = [self.numbers(numbers), self.who(who), self.kind(kind)]
        answer: Tensor = self.body(torch.cat(rows, 1))[:, 0]
        return answer


class _Listed(nn.Module):
    """Kinds in a list, of which a mask of large negative numbers hides some."""

    def __init__(self) -> None:
        super().__init__()
        self.kind, self.score = nn.Embedding(_KINDS, 16), nn.Linear(16, 1)
        self.out = nn.Linear(16, 1)

    def forward(self, kinds: Tensor, mask: Tensor) -> Tensor:
        h = self.kind(kinds)
        weights = (self.score(h)[..., 0] + mask).softmax(1)
        answer: Tensor = self.out((weights[..., None] * h).sum(1))[:, 0]
        return answer


def _sold(writer: SummaryWriter, turned: _Turned, *, normed: bool = False) -> None:
    """Who buys: by taste, by age and by when it was."""
    likes, wants = torch.randn(_USERS), torch.randn(_KINDS)
    model = _Table(3, normed=normed)
    optimizer = Adam(model.parameters(), lr=5e-3)
    writer.watch(model, optimizer)
    for step in range(300):
        who, kind = torch.randint(_USERS, (256,)), torch.randint(_KINDS, (256,))
        drawn = torch.rand(256, 3)
        score = likes[who] * wants[kind] + 2 * (drawn[:, 0] - 0.5)
        loss = binary_cross_entropy_with_logits(
            model(who, kind, turned(drawn)), (score > 0).float()
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        writer.add_diagnostics(loss=loss, global_step=step)


def _stored(drawn: Tensor) -> Tensor:
    """Years of age, euros, and seconds since 1970."""
    return drawn * torch.tensor([60.0, 3000.0, 3e7]) + torch.tensor([18.0, 0.0, 1.7e9])


@case(
    "LD510", family="tables", also=("LD601", "LD202", "LD201", "LD101", "LD103", "LD203", "LD740")
)
def seconds_beside_indices(writer: SummaryWriter) -> None:
    """Age, income and a timestamp stand beside embeddings as they were stored."""
    _sold(writer, _stored)


@case(family="tables")
def shares_beside_indices(writer: SummaryWriter) -> None:
    """The same, each between 0 and 1."""
    _sold(writer, lambda drawn: drawn)


@case(family="tables")
def seconds_that_the_model_normalises(writer: SummaryWriter) -> None:
    """The same as they were stored, less 1970's billions, and a layer of batch normalisation that brings them to scale."""
    _sold(writer, lambda drawn: _stored(drawn) - torch.tensor([0.0, 0.0, 1.7e9]), normed=True)


@case("LD104", family="tables")
def a_mask_of_large_numbers(writer: SummaryWriter) -> None:
    """The question is a coin, so nothing is learned; -1e4 hides what is not in the list."""
    model = _Listed()
    optimizer = Adam(model.parameters(), lr=1e-3)
    writer.watch(model, optimizer)
    for step in range(300):
        kinds, hidden = torch.randint(_KINDS, (64, 6)), torch.rand(64, 6) < 0.4
        hidden[:, 0] = False
        loss = binary_cross_entropy_with_logits(
            model(kinds, -1e4 * hidden), (torch.rand(64) < 0.5).float()
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        writer.add_diagnostics(loss=loss, global_step=step)
