"""Faults that only a question to the model shows, and healthy models that seem to have them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from clinic.case import case
from clinic.data import Batches, Samples, digit_rows, flat_digits
from clinic.healthy_parts import characters
from clinic.loops import fit
from clinic.nets import mlp
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, dropout, mse_loss
from torch.optim import Adam

from tb_lossdiag import SummaryWriter

_SYMBOLS, _LENGTH, _WIDTH = 32, 32, 32
_PADDING = 31


class _Rows(nn.Module):
    """Reads the rows of a digit one after the other."""

    def __init__(self, *, batch_first: bool) -> None:
        super().__init__()
        self.rnn = nn.LSTM(8, 32, batch_first=batch_first)
        self.head = nn.Linear(32, 10)

    def forward(self, x: Tensor) -> Tensor:
        answer: Tensor = self.head(self.rnn(x)[0][:, -1])
        return answer


@case("LD718", family="RNN", source="many forum threads: batch_first left at its default")
def batch_is_taken_for_time(writer: SummaryWriter) -> None:
    training, _ = digit_rows()
    model = _Rows(batch_first=False)
    fit(writer, model, Adam(model.parameters(), lr=1e-3), training.batches(400))


class _Gated(nn.Module):
    """A mixture of two experts; `dim` is that of the gates' softmax."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.gate, self.dim = nn.Linear(64, 2), dim
        self.experts = nn.ModuleList(
            nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10)) for _ in range(2)
        )

    def forward(self, x: Tensor) -> Tensor:
        shares = self.gate(x).softmax(self.dim)
        answers = torch.stack([expert(x) for expert in self.experts], 1)
        answer: Tensor = (shares[..., None] * answers).sum(1)
        return answer


@case("LD718", family="MLP")
def gates_over_the_batch(writer: SummaryWriter) -> None:
    training, _ = flat_digits()
    model = _Gated(0)
    fit(writer, model, Adam(model.parameters(), lr=1e-3), training.batches(400))


@case(family="MLP")
def gates_over_the_experts(writer: SummaryWriter) -> None:
    training, _ = flat_digits()
    model = _Gated(-1)
    fit(writer, model, Adam(model.parameters(), lr=1e-3), training.batches(400))


class _Writer(nn.Module):
    """A small language model."""

    def __init__(self, *, masked: bool) -> None:
        super().__init__()
        self.table = nn.Embedding(_SYMBOLS, _WIDTH)
        self.places = nn.Parameter(0.1 * torch.randn(_LENGTH, _WIDTH))
        layer = nn.TransformerEncoderLayer(_WIDTH, 2, 64, dropout=0.0, batch_first=True)
        self.blocks = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(_WIDTH, _SYMBOLS)
        self.masked = masked

    def forward(self, tokens: Tensor) -> Tensor:
        length = tokens.shape[1]
        mask = nn.Transformer.generate_square_subsequent_mask(length) if self.masked else None
        hidden = self.blocks(self.table(tokens) + self.places[:length], mask)
        answer: Tensor = self.head(hidden)
        return answer


def _of_places(logits: Tensor, targets: Tensor) -> Tensor:
    return cross_entropy(logits.flatten(0, 1), targets.flatten())


@case("LD716", family="transformer")
def causal_mask_is_missing(writer: SummaryWriter) -> None:
    model = _Writer(masked=False)
    fit(writer, model, Adam(model.parameters(), lr=2e-3), characters(300), _of_places)


@case(family="transformer")
def causal_mask_is_there(writer: SummaryWriter) -> None:
    model = _Writer(masked=True)
    fit(writer, model, Adam(model.parameters(), lr=2e-3), characters(300), _of_places)


def _short(batches: Iterable[tuple[Tensor, Tensor]]) -> Iterator[tuple[Tensor, Tensor]]:
    """A few characters each, and padding behind them, which nothing is asked of."""
    for x, y in batches:
        behind = torch.arange(x.shape[1]) >= torch.randint(4, x.shape[1] // 2 - 1, (len(x), 1))
        yield x.masked_fill(behind, 0), y.masked_fill(behind, -100)


@case("LD716", family="transformer", source="karpathy/makemore, its softmax over the other axis")
def causal_mask_is_missing_in_short_words(writer: SummaryWriter) -> None:
    model = _Writer(masked=False)
    batches = _short(characters(300))
    fit(writer, model, Adam(model.parameters(), lr=2e-3), batches, _of_places)


@case(family="transformer")
def causal_mask_is_there_in_short_words(writer: SummaryWriter) -> None:
    model = _Writer(masked=True)
    batches = _short(characters(300))
    fit(writer, model, Adam(model.parameters(), lr=2e-3), batches, _of_places)


class _Dropping(nn.Module):
    """Drops by function; `told` whether it says in which mode."""

    def __init__(self, *, told: bool) -> None:
        super().__init__()
        self.first, self.head, self.told = nn.Linear(64, 64), nn.Linear(64, 10), told

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.first(x).relu()
        hidden = dropout(hidden, 0.2, self.training) if self.told else dropout(hidden, 0.2)
        answer: Tensor = self.head(hidden)
        return answer


@case("LD719", family="MLP")
def dropout_knows_no_mode(writer: SummaryWriter) -> None:
    training, test = flat_digits()
    model = _Dropping(told=False)
    optimizer = Adam(model.parameters(), lr=1e-3)
    fit(writer, model, optimizer, training.batches(400), validation=test)


@case(family="MLP")
def dropout_knows_the_mode(writer: SummaryWriter) -> None:
    training, test = flat_digits()
    model = _Dropping(told=True)
    optimizer = Adam(model.parameters(), lr=1e-3)
    fit(writer, model, optimizer, training.batches(400), validation=test)


class _Graph(nn.Module):
    """Two layers of a graph network; the graph is given, or what it is."""

    def __init__(self, adjacency: Tensor) -> None:
        super().__init__()
        self.first, self.head = nn.Linear(16, 32), nn.Linear(32, 4)
        self.register_buffer("adjacency", adjacency)

    def forward(self, x: Tensor) -> Tensor:
        answer: Tensor = self.adjacency @ self.head((self.adjacency @ self.first(x)).relu())
        return answer


@case(family="graph")
def one_graph_in_one_batch(writer: SummaryWriter) -> None:
    labels = torch.arange(120) % 4
    alike = labels[:, None] == labels
    edges = (torch.rand(120, 120) < torch.where(alike, 0.2, 0.02)).float() + torch.eye(120)
    model = _Graph(edges / edges.sum(1, keepdim=True))
    x = torch.nn.functional.one_hot(labels, 16) + 0.8 * torch.randn(120, 16)
    fit(writer, model, Adam(model.parameters(), lr=5e-3), iter([(x, labels)] * 300))


class _Set(nn.Module):
    """Answers for each element of a set, which attends to the others."""

    def __init__(self) -> None:
        super().__init__()
        self.into, self.head = nn.Linear(3, 32), nn.Linear(32, 1)
        self.attention = nn.MultiheadAttention(32, 2, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.into(x)[None]
        return self.head(hidden + self.attention(hidden, hidden, hidden)[0])[0].squeeze(1)  # type: ignore[no-any-return]


@case(family="set")
def elements_of_a_set_know_each_other(writer: SummaryWriter) -> None:
    """How far each is from the mean of its set."""
    model = _Set()
    x = torch.randn(300, 24, 3) + torch.randn(300, 1, 3)
    sets = Samples(x, (x - x.mean(1, keepdim=True)).square().sum(2))
    pairs = zip(sets.x, sets.y, strict=True)
    fit(writer, model, Adam(model.parameters(), lr=2e-3), pairs, mse_loss)


def _padded(steps: int) -> Batches:
    """Pieces of text of many lengths, whose ends are filled up with one symbol."""
    for tokens, targets in characters(steps):
        lengths = torch.randint(4, _LENGTH, (len(tokens), 1))
        there = torch.arange(_LENGTH) < lengths
        yield tokens.where(there, _PADDING), targets.where(there, _PADDING)


@case("LD516", family="RNN")
def padding_is_scored(writer: SummaryWriter) -> None:
    model = _Reader()
    fit(writer, model, Adam(model.parameters(), lr=3e-3), _padded(300), _of_places)


@case(family="RNN")
def padding_is_left_out(writer: SummaryWriter) -> None:
    model = _Reader()

    def loss_of(logits: Tensor, targets: Tensor) -> Tensor:
        return cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=_PADDING)

    fit(writer, model, Adam(model.parameters(), lr=3e-3), _padded(300), loss_of)


class _Reader(nn.Module):
    """A recurrent language model."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(_SYMBOLS, _WIDTH)
        self.rnn, self.head = nn.GRU(_WIDTH, 48, batch_first=True), nn.Linear(48, _SYMBOLS)

    def forward(self, tokens: Tensor) -> Tensor:
        answer: Tensor = self.head(self.rnn(self.table(tokens))[0])
        return answer


@case("LD809", family="MLP", also=("LD705", "LD104"))
def reader_gives_blank_pictures(writer: SummaryWriter) -> None:
    training, _ = flat_digits()
    model = mlp(64, 32, 10)
    blank = ((torch.zeros_like(x), y) for x, y in training.batches(300))
    fit(writer, model, Adam(model.parameters(), lr=1e-3), blank)
