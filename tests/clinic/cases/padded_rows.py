"""An answer for each place of rows of many lengths: padding tells which axis is time, where shapes do not."""

from __future__ import annotations

import torch
from clinic.case import case
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss
from torch.optim import Adam

from tb_lossdiag import SummaryWriter

_ROWS, _LENGTH, _WORDS, _TAGS, _FEATURES = 24, 14, 30, 5, 6


class _Places(nn.Module):
    """A recurrent layer, and an answer for each of its states."""

    def __init__(self, reader: nn.Module, answers: int, *, batch_first: bool = False) -> None:
        super().__init__()
        self.reader, self.head = reader, nn.Linear(40, answers)
        self.rnn = nn.LSTM(16, 20, bidirectional=True, batch_first=batch_first)

    def forward(self, x: Tensor) -> Tensor:
        answer: Tensor = self.head(self.rnn(self.reader(x))[0])
        return answer


def _there() -> Tensor:
    """bool[rows, length]: which places are no padding."""
    return torch.arange(_LENGTH) < torch.randint(4, _LENGTH + 1, (_ROWS, 1))


def _tag(writer: SummaryWriter, model: nn.Module, *, time_first: bool = False) -> None:
    """A word's tag depends on the word before it."""
    optimizer = Adam(model.parameters(), lr=3e-3)
    writer.watch(model, optimizer)
    for step in range(600):
        there = _there()
        words = torch.randint(1, _WORDS, there.shape) * there
        tags = ((words + words.roll(1, 1)) % _TAGS).masked_fill(~there, -100)
        if time_first:
            words, tags = words.mT.contiguous(), tags.mT
        loss = cross_entropy(model(words).flatten(0, 1), tags.flatten())
        optimizer.zero_grad()
        loss.backward()
        writer.add_diagnostics(loss=loss, global_step=step)
        optimizer.step()


def _sum_up(writer: SummaryWriter, model: nn.Module, *, time_first: bool = False) -> None:
    """What the numbers of a row come to so far; rows are filled up with zeros."""
    optimizer = Adam(model.parameters(), lr=3e-3)
    writer.watch(model, optimizer)
    for step in range(600):
        there = _there()[..., None]
        given = torch.randn(_ROWS, _LENGTH, _FEATURES) * there
        wanted = given[..., :1].cumsum(1) / 2
        if time_first:
            given, wanted, there = (each.transpose(0, 1) for each in (given, wanted, there))
        loss = ((model(given) - wanted).square() * there).sum() / there.sum()
        optimizer.zero_grad()
        loss.backward()
        writer.add_diagnostics(loss=loss, global_step=step)
        optimizer.step()


@case(
    "LD718",
    family="RNN",
    also=("LD104",),
    source="many forum threads: batch_first left at its default",
)
def padded_words_are_read_across_the_batch(writer: SummaryWriter) -> None:
    _tag(writer, _Places(nn.Embedding(_WORDS, 16), _TAGS))


@case(
    "LD718",
    family="RNN",
    also=("LD104",),
    source="many forum threads: batch_first left at its default",
)
def padded_numbers_are_read_across_the_batch(writer: SummaryWriter) -> None:
    _sum_up(writer, _Places(nn.Linear(_FEATURES, 16), 1))


@case(family="RNN")
def padded_words_time_first(writer: SummaryWriter) -> None:
    _tag(writer, _Places(nn.Embedding(_WORDS, 16), _TAGS), time_first=True)


@case(family="RNN")
def padded_numbers_batch_first(writer: SummaryWriter) -> None:
    _sum_up(writer, _Places(nn.Linear(_FEATURES, 16), 1, batch_first=True))


@case(family="RNN")
def road_users_of_one_scene(writer: SummaryWriter) -> None:
    """Where each will be next, time first; how many there are changes little by little, and empty places are the last ones."""
    model = _Places(nn.Linear(4, 16), 2)
    optimizer = Adam(model.parameters(), lr=3e-3)
    writer.watch(model, optimizer)
    for step in range(600):
        walk = (torch.randn(_LENGTH).cumsum(0) * 2.5).round() + 16
        there = torch.arange(_ROWS) < walk.clamp(8, _ROWS)[:, None]
        places = torch.randn(1, _ROWS, 4) + 0.3 * torch.randn(_LENGTH, _ROWS, 4)
        scene = 0.3 * places.cumsum(0) * there[..., None]
        loss = mse_loss(model(scene)[:-1], scene[1:, :, :2])
        optimizer.zero_grad()
        loss.backward()
        writer.add_diagnostics(loss=loss, global_step=step)
        optimizer.step()


class _Text(nn.Module):
    """Reads the words of each sentence, and then the sentences: a state goes from one to the next."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(_WORDS, 16)
        self.words, self.sentences = nn.GRU(16, 20, batch_first=True), nn.GRU(20, 20)
        self.head = nn.Linear(40, _TAGS)

    def forward(self, text: Tensor) -> Tensor:
        each, last = self.words(self.embedding(text))
        before = self.sentences(last[0][:, None])[0].expand(-1, text.shape[1], -1)
        answer: Tensor = self.head(torch.cat([each, before], 2))
        return answer


@case(family="RNN")
def sentences_of_one_text_are_read_one_after_the_other(writer: SummaryWriter) -> None:
    """Both axes mix, and both are meant to: words of a sentence, sentences of a text."""
    _tag(writer, _Text())
