"""Texts that come as (time, batch), as PyTorch's recurrent layers expect them, filled up with padding."""

from __future__ import annotations

import torch
from clinic.case import case
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.optim import Adam

from tb_lossdiag import SummaryWriter

_SYMBOLS, _LENGTH, _PADDING, _IGNORED = 20, 16, 0, -100


def _texts(count: int) -> Tensor:
    """Symbols that count on from a first one, of many lengths: int64[time, batch]."""
    place = torch.arange(_LENGTH)[:, None]
    row = (torch.randint(16, (count,)) + place) % 16 + 4
    return torch.where(place < torch.randint(5, 15, (count,)), row, _PADDING)


class _Reader(nn.Module):
    """A recurrent language model."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.rnn = nn.Embedding(_SYMBOLS, 32), nn.GRU(32, 64)
        self.head = nn.Linear(64, _SYMBOLS)

    def forward(self, tokens: Tensor) -> Tensor:
        answer: Tensor = self.head(self.rnn(self.table(tokens))[0])
        return answer


class _Translator(nn.Module):
    """An encoder, and a decoder that begins with what it has read."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.encoder = nn.Embedding(_SYMBOLS, 32), nn.GRU(32, 64)
        self.decoder, self.head = nn.GRU(32, 64), nn.Linear(64, _SYMBOLS)

    def forward(self, source: Tensor, said: Tensor) -> Tensor:
        _, state = self.encoder(self.table(source))
        answer: Tensor = self.head(self.decoder(self.table(said), state)[0])
        return answer


def _learn(writer: SummaryWriter, *, translate: bool = False, ignored: int = _IGNORED) -> None:
    model = _Translator() if translate else _Reader()
    optimizer = Adam(model.parameters(), lr=3e-3)
    writer.watch(model, optimizer)
    for step in range(250):
        text = _texts(32)
        source = [text.flip(0)] if translate else []
        scores = model(*source, text[:-1])
        loss = cross_entropy(scores.flatten(0, 1), text[1:].flatten(), ignore_index=ignored)
        optimizer.zero_grad()
        loss.backward()
        writer.add_diagnostics(loss=loss, global_step=step)
        optimizer.step()


@case("LD516", family="RNN")
def padding_is_scored_where_time_comes_first(writer: SummaryWriter) -> None:
    _learn(writer)


@case("LD516", family="RNN")
def padding_of_a_translation_is_scored_where_time_comes_first(writer: SummaryWriter) -> None:
    _learn(writer, translate=True)


@case(family="RNN")
def padding_is_ignored_where_time_comes_first(writer: SummaryWriter) -> None:
    _learn(writer, ignored=_PADDING)


@case(family="RNN")
def padding_of_a_translation_is_ignored_where_time_comes_first(writer: SummaryWriter) -> None:
    _learn(writer, translate=True, ignored=_PADDING)
