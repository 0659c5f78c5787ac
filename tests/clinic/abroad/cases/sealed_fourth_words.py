"""The fourth lot, of words: masks of padding, masked words, adapters; by hand and through Transformers' Trainer."""

from __future__ import annotations

import torch
from clinic.abroad import patient
from clinic.abroad.cases.language import bert, fit
from clinic.abroad.corpora import MASK, SIZE, Examples, padded, sentences
from clinic.abroad.loops import train
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.optim import Adam
from transformers import BertForMaskedLM, BertForSequenceClassification

from tb_lossdiag import SummaryWriter


class _Reader(nn.Module):
    """An encoder over padded sentences that answers from the mean of its words."""

    def __init__(self, *, inverted: bool) -> None:
        super().__init__()
        self.inverted = inverted
        self.words, self.places = nn.Embedding(SIZE, 48), nn.Embedding(32, 48)
        layer = nn.TransformerEncoderLayer(48, 4, 96, 0.1, batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(48, 2)

    def forward(self, tokens: Tensor, attention_mask: Tensor) -> Tensor:
        places = torch.arange(tokens.shape[1])
        ignored = attention_mask.bool() if self.inverted else ~attention_mask.bool()
        h = self.encoder(self.words(tokens) + self.places(places), src_key_padding_mask=ignored)
        kept = (~ignored).float().unsqueeze(2)
        answer: Tensor = self.head((h * kept).sum(1) / kept.sum(1))
        return answer


def _read(writer: SummaryWriter, *, inverted: bool) -> None:
    """Are more words of the sentence from the first half of the dictionary, or from the second?"""
    tokens, mask = padded(sentences(2400))
    words = tokens.where(tokens >= 4, torch.full_like(tokens, 4 + 22))
    labels = (((words - 4) < 22).float() * mask).sum(1) * 2 > mask.sum(1)
    y, model = labels.long(), _Reader(inverted=inverted)

    def loss() -> Tensor:
        rows = torch.randint(2000, (32,))
        return cross_entropy(model(tokens[rows], mask[rows]), y[rows])

    train(
        writer, model, Adam(model.parameters(), 1e-3), loss, 160,
        validate=lambda: cross_entropy(model(tokens[2200:], mask[2200:]), y[2200:]),
    )  # fmt: skip


@patient(
    "LD104",
    "LD112",
    "LD516",
    "LD711",
    "LD705",
    family="padding",
    hard=True,
    source="https://github.com/pytorch/pytorch/pull/39321, https://github.com/facebookresearch/detr/issues/96",
)
def words_ignored_and_padding_read(writer: SummaryWriter) -> None:
    """True means a word to Transformers and padding to `nn.Transformer`: only the padding is read."""
    _read(writer, inverted=True)


@patient(family="padding")
def words_read_and_padding_ignored(writer: SummaryWriter) -> None:
    """The same with the mask turned about."""
    _read(writer, inverted=False)


def _masked_words(writer: SummaryWriter, *, alone: bool) -> None:
    """BERT from scratch, on four words that are said four times; `alone` asks for the masked words only."""
    tokens = sentences(3200, length=4).repeat(1, 4)
    chosen = torch.rand(tokens.shape) < 0.15
    inputs = tokens.masked_fill(chosen, MASK)
    labels = tokens.masked_fill(~chosen, -100) if alone else tokens
    data = Examples(input_ids=inputs[:3000], labels=labels[:3000])
    held_out = Examples(input_ids=inputs[3000:], labels=labels[3000:])
    fit(writer, BertForMaskedLM(bert()), data, held_out=held_out, max_steps=250, learning_rate=3e-3)


@patient(
    "LD514",
    "LD526",
    "LD516",
    "LD535",
    "LD406",
    family="Transformers",
    hard=True,
    source="https://github.com/CyberZHG/keras-bert/issues/188, https://github.com/dome272/MaskGIT-pytorch/issues/14",
)
def words_that_were_never_masked(writer: SummaryWriter) -> None:
    """The labels hold all words, most of which stand in the input: copying them is most of what is learnt."""
    _masked_words(writer, alone=False)


@patient(family="Transformers")
def words_that_were_masked(writer: SummaryWriter) -> None:
    """The same with labels of the masked words alone."""
    _masked_words(writer, alone=True)


@patient(family="Transformers")
def a_trunk_that_stays_as_it_is(writer: SummaryWriter) -> None:
    """A BERT whose trunk is frozen, and a head of two classes: a probe, which learns what a probe can."""
    tokens = sentences(1500, length=12)
    model = BertForSequenceClassification(bert())
    for parameter in model.bert.parameters():
        parameter.requires_grad_(False)
    labels = (tokens[:, 0] < 4 + 22).long()
    data = Examples(input_ids=tokens[:1200], labels=labels[:1200])
    held_out = Examples(input_ids=tokens[1200:], labels=labels[1200:])
    fit(writer, model, data, held_out=held_out, learning_rate=1e-2)


class _Adapted(nn.Module):
    """A frozen layer with a low-rank update beside it."""

    def __init__(self, layer: nn.Linear, *, zeros: bool) -> None:
        super().__init__()
        self.layer = layer.requires_grad_(False)
        first = (
            torch.zeros(8, layer.in_features) if zeros else torch.randn(8, layer.in_features) / 8
        )
        self.lora_A, self.lora_B = (
            nn.Parameter(first),
            nn.Parameter(torch.zeros(layer.out_features, 8)),
        )

    def forward(self, x: Tensor) -> Tensor:
        answer: Tensor = self.layer(x) + 2.0 * (x @ self.lora_A.T @ self.lora_B.T)
        return answer


class _Next(nn.Module):
    """The next word from the last three."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(SIZE, 32)
        self.first: nn.Module = nn.Linear(96, 96)
        self.last: nn.Module = nn.Linear(96, SIZE)

    def forward(self, x: Tensor) -> Tensor:
        answer: Tensor = self.last(torch.relu(self.first(self.words(x).flatten(1))))
        return answer


def _adapt(writer: SummaryWriter, *, zeros: bool) -> None:
    """Trained on one language, adapted to the same read backwards."""
    text = sentences(2000, length=4)
    model = _Next()
    before = Adam(model.parameters(), 3e-3)
    for _ in range(200):
        rows = text[torch.randint(2000, (64,))]
        before.zero_grad()
        cross_entropy(model(rows[:, :3]), rows[:, 3]).backward()
        before.step()
    model.requires_grad_(False)
    first, last = model.first, model.last
    if isinstance(first, nn.Linear) and isinstance(last, nn.Linear):
        model.first, model.last = _Adapted(first, zeros=zeros), _Adapted(last, zeros=zeros)
    turned = text.flip(1)

    def loss() -> Tensor:
        rows = turned[torch.randint(1800, (64,))]
        return cross_entropy(model(rows[:, :3]), rows[:, 3])

    train(
        writer, model, Adam([p for p in model.parameters() if p.requires_grad], 5e-3), loss, 250,
        validate=lambda: cross_entropy(model(turned[1800:, :3]), turned[1800:, 3]),
    )  # fmt: skip


@patient(
    "LD205",
    "LD104",
    "LD605",
    "LD204",
    family="adapters",
    source="https://github.com/nvidia-cosmos/cosmos-predict2.5/pull/15, https://github.com/circle-hit/SAPT/issues/11",
)
def an_adapter_of_two_zeros(writer: SummaryWriter) -> None:
    """Both of its matrices begin at zero: neither gets a gradient, ever."""
    _adapt(writer, zeros=True)


@patient(family="adapters")
def an_adapter_of_one_zero(writer: SummaryWriter) -> None:
    """The same, of which one begins at random."""
    _adapt(writer, zeros=False)
