"""Sequences: series, words, speech."""

from __future__ import annotations

import torch
from clinic.abroad import patient
from clinic.abroad.cases.speech import SYMBOLS, Utterances
from clinic.abroad.corpora import BOS, SIZE, sentences
from clinic.abroad.loops import train
from clinic.data import Samples, waves
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, ctc_loss, mse_loss
from torch.optim import Adam, AdamW

from tb_lossdiag import SummaryWriter


class _Both(nn.Module):
    """A recurrent network that reads in both directions and adds up what they find, at each step."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(1, 24, batch_first=True, bidirectional=True)
        self.answer = nn.Linear(24, 1)

    def forward(self, x: Tensor) -> Tensor:
        states, _ = self.lstm(x)
        answer: Tensor = self.answer(states.unflatten(2, (2, 24)).sum(2))
        return answer


@patient(
    "LD716",
    family="series",
    source="discuss.pytorch.org/t/one-layer-bilstm-is-not-learning/175731",
)
def the_next_value_read_backwards(writer: SummaryWriter) -> None:
    """x1 to x4 are to become x2 to x5, and the backward half of the network has seen x2 to x4."""
    training, held_out = waves().split(400)
    model = _Both()
    batches = iter(training.batches(200, 32))

    def loss() -> Tensor:
        x, y = next(batches)
        return mse_loss(model(x), y)

    train(
        writer, model, Adam(model.parameters(), 5e-3), loss, 200,
        validate=lambda: mse_loss(model(held_out.x), held_out.y),
    )  # fmt: skip


class _Direction(nn.Module):
    """Reads a whole window in both directions, and says what kind it is."""

    def __init__(self) -> None:
        super().__init__()
        self.gru = nn.GRU(1, 16, batch_first=True, bidirectional=True)
        self.kind = nn.Linear(32, 3)

    def forward(self, x: Tensor) -> Tensor:
        _, last = self.gru(x)
        kind: Tensor = self.kind(torch.cat([last[0], last[1]], 1))
        return kind


@patient(family="series")
def a_whole_window_read_both_ways(writer: SummaryWriter) -> None:
    """Three kinds of waves told apart by a network that may see all of a window."""
    kind = torch.randint(0, 3, (600,))
    place = torch.arange(20) * (0.2 + 0.25 * kind[:, None])
    x = (place + 6.28 * torch.rand(600, 1)).sin()[:, :, None] + 0.2 * torch.randn(600, 20, 1)
    training, held_out = Samples(x, kind).split(500)
    model = _Direction()
    batches = iter(training.batches(150, 32))

    def loss() -> Tensor:
        seen, y = next(batches)
        return cross_entropy(model(seen), y)

    train(
        writer, model, Adam(model.parameters(), 5e-3), loss, 150,
        validate=lambda: cross_entropy(model(held_out.x), held_out.y),
    )  # fmt: skip


def _sales(writer: SummaryWriter, *, same_unit: bool) -> None:
    """The next of twelve months; series are scaled by their own mean and deviation."""
    place = torch.arange(13) + 12 * torch.rand(700, 1)
    level = 200 + 100 * torch.rand(700, 1)
    months = level + 40 * (place * 0.52).sin() + 4 * torch.randn(700, 13)
    past, coming = months[:, :12], months[:, 12:]
    mean, spread = past.mean(1, keepdim=True), past.std(1, keepdim=True)
    x, y = (past - mean) / spread, (coming - mean) / spread
    model = nn.Sequential(nn.Linear(12, 64), nn.ReLU(), nn.Linear(64, 1))
    batches = iter(Samples(x[:600], y[:600]).batches(300))
    wanted = y[600:] if same_unit else coming[600:]

    def loss() -> Tensor:
        seen, then = next(batches)
        return mse_loss(model(seen), then)

    train(
        writer, model, AdamW(model.parameters(), 2e-3), loss, 300,
        validate=lambda: mse_loss(model(x[600:]), wanted),
    )  # fmt: skip


@patient("LD626", family="series", source="Nixtla/neuralforecast PR 720")
def scaled_forecasts_held_against_sales(writer: SummaryWriter) -> None:
    """Validation compares scaled forecasts with values that nobody has scaled."""
    _sales(writer, same_unit=False)


@patient(family="series")
def scaled_forecasts_held_against_scaled_sales(writer: SummaryWriter) -> None:
    """Both in the same unit."""
    _sales(writer, same_unit=True)


class _Translator(nn.Module):
    """One layer of attention over the source, and one over what is written so far and the source."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.places = nn.Embedding(SIZE, 32), nn.Embedding(16, 32)
        self.encoder = nn.TransformerEncoderLayer(32, 4, 64, 0.0, batch_first=True)
        self.decoder = nn.TransformerDecoderLayer(32, 4, 64, 0.0, batch_first=True)
        self.head = nn.Linear(32, SIZE)

    def embed(self, tokens: Tensor) -> Tensor:
        found: Tensor = self.words(tokens) + self.places(torch.arange(tokens.shape[1]))
        return found

    def forward(self, source: Tensor, written: Tensor) -> Tensor:
        mask = nn.Transformer.generate_square_subsequent_mask(written.shape[1])
        read = self.encoder(self.embed(source))
        scores: Tensor = self.head(self.decoder(self.embed(written), read, tgt_mask=mask))
        return scores


@patient(family="words")
def what_is_written_is_shown_to_the_writer(writer: SummaryWriter) -> None:
    """Teacher forcing, as it is meant: in goes the answer without its end, out comes the answer without its beginning."""
    # jadore801120/attention-is-all-you-need-pytorch issue 123 and YueDongCS/EditNTS issue 9 took it for a fault.
    source = sentences(2000, length=8)
    target = torch.cat([torch.full((2000, 1), BOS), source.flip(1)], 1)
    model = _Translator()

    def loss() -> Tensor:
        rows = torch.randint(2000, (24,))
        out = target[rows]
        return cross_entropy(model(source[rows], out[:, :-1]).flatten(0, 1), out[:, 1:].flatten())

    train(writer, model, Adam(model.parameters(), 3e-3), loss, 160)


class _Carried(nn.Module):
    """Keeps its state from one stretch of text to the next, and cuts the graph between them."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(SIZE, 32)
        self.gru = nn.GRU(32, 64, batch_first=True)
        self.head = nn.Linear(64, SIZE)
        self.state: Tensor | None = None

    def forward(self, tokens: Tensor) -> Tensor:
        states, state = self.gru(self.words(tokens), self.state)
        self.state = state.detach()
        scores: Tensor = self.head(states)
        return scores


@patient(family="words")
def a_state_that_is_carried_on(writer: SummaryWriter) -> None:
    """Texts are read stretch by stretch, with the state of the stretch before (karpathy/char-rnn issue 78)."""
    texts = sentences(16, length=1601)
    model = _Carried()
    starts = iter(range(0, 1600, 8))

    def loss() -> Tensor:
        start = next(starts)
        stretch = texts[:, start : start + 9]
        return cross_entropy(model(stretch[:, :-1]).flatten(0, 1), stretch[:, 1:].flatten())

    train(writer, model, Adam(model.parameters(), 3e-3), loss, 200)


@patient(family="speech")
def blanks_first_and_symbols_later(writer: SummaryWriter) -> None:
    """CTC says nothing but blanks for a while, and then learns (cyprienruffino/CTCModel issue 12)."""
    layers = (nn.Conv1d(12, 48, 5, padding=2), nn.ReLU(), nn.Conv1d(48, SYMBOLS + 1, 3, padding=1))
    model = nn.Sequential(*layers)

    def loss() -> Tensor:
        batch = Utterances(pace=6)
        scores = model(batch.frames.transpose(1, 2)).permute(2, 0, 1)
        return ctc_loss(scores.log_softmax(-1), batch.symbols, batch.spoken, batch.lengths)

    train(writer, model, Adam(model.parameters(), 2e-3), loss, 300)
