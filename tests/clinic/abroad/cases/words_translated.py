"""Translations by `nn.Transformer`, and texts that are sorted by attention of one's own."""

from __future__ import annotations

import math

import torch
from clinic.abroad import patient
from clinic.abroad.corpora import BOS, EOS, MASK, PAD, SIZE, sentences
from torch import Tensor, nn
from torch.optim import Adam

from tb_lossdiag import SummaryWriter

WIDTH = 48


class Seq2Seq(nn.Module):
    """An encoder and a decoder as the tutorials have them, time first."""

    def __init__(self) -> None:
        super().__init__()
        self.src_emb, self.tgt_emb = nn.Embedding(SIZE, WIDTH), nn.Embedding(SIZE, WIDTH)
        self.places = nn.Parameter(0.02 * torch.randn(32, 1, WIDTH))
        self.transformer = nn.Transformer(WIDTH, 4, 1, 1, 96, dropout=0.1)
        self.generator = nn.Linear(WIDTH, SIZE)

    def forward(self, src: Tensor, trg: Tensor) -> Tensor:
        mask = nn.Transformer.generate_square_subsequent_mask(len(trg))
        said = self.transformer(
            self.src_emb(src) * math.sqrt(WIDTH) + self.places[: len(src)],
            self.tgt_emb(trg) * math.sqrt(WIDTH) + self.places[: len(trg)],
            tgt_mask=mask,
        )
        logits: Tensor = self.generator(said)
        return logits


def _pairs(corpus: Tensor, count: int = 32) -> tuple[Tensor, Tensor]:
    """Sentences and the same sentences backwards between marks, time first."""
    rows = corpus[torch.randint(len(corpus), (count,))]
    ends = torch.full((count, 1), BOS), torch.full((count, 1), EOS)
    return rows.T, torch.cat([ends[0], rows.flip(1), ends[1]], 1).T


def _translated(writer: SummaryWriter, *, shifted: bool = True, itself: bool = False) -> None:
    """What is read is written backwards, or as it is, while three of four words are left out of what the decoder is given.

    Without `shifted` the decoder is asked for the very words it is given.
    """
    corpus = sentences(2000, 8)
    model, criterion = Seq2Seq(), nn.CrossEntropyLoss(ignore_index=PAD)
    optimizer = Adam(model.parameters(), lr=1e-3, betas=(0.9, 0.98), eps=1e-9)
    writer.watch(model, optimizer)
    for step in range(300):
        src, trg = _pairs(corpus)
        given = trg[:-1] if shifted else trg
        if itself:
            src = trg[1:]
            given = given.masked_fill(torch.rand(given.shape) < 0.75, MASK)
        output = model(src, given)
        wanted = trg[1:] if shifted else trg
        loss = criterion(output.reshape(-1, SIZE), wanted.reshape(-1))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), max_norm=1)
        optimizer.step()
        writer.add_diagnostics(loss=loss, global_step=step)


@patient(
    "LD514",
    "LD526",
    "LD716",
    family="translation",
    source="https://github.com/pytorch/tutorials/issues/719",
)
def a_translation_that_is_given(writer: SummaryWriter) -> None:
    """The target is not shifted: the decoder copies the word it is given, and the loss drops to nothing at once."""
    _translated(writer, shifted=False)


@patient(family="translation")
def a_translation_that_is_asked_for(writer: SummaryWriter) -> None:
    """The same, shifted by one."""
    _translated(writer)


@patient(family="translation", source="arXiv 1511.06349, section 3.1")
def a_sentence_that_repeats_itself(writer: SummaryWriter) -> None:
    """An autoencoder of sentences: the source is what is to be written, and the decoder is given a quarter of it."""
    _translated(writer, itself=True)


class Sorter(nn.Module):
    """Texts of any length, down to none, in two kinds, by attention of one's own."""

    def __init__(self) -> None:
        super().__init__()
        self.emb = nn.Embedding(SIZE, WIDTH, padding_idx=PAD)
        self.query, self.value = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)
        self.cls = nn.Sequential(nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 2))

    def forward(self, ids: Tensor) -> Tensor:
        empty, words = ids == PAD, self.emb(ids)
        scores = self.query(words) @ words.transpose(1, 2) / math.sqrt(WIDTH)
        weights = scores.masked_fill(empty[:, None], float("-inf")).softmax(-1)
        states = (weights @ self.value(words)).masked_fill(empty[..., None], 0)
        logits: Tensor = self.cls(states.sum(1) / (~empty).sum(1, keepdim=True).clamp(min=1))
        return logits


def _sorted(writer: SummaryWriter, *, least: int) -> None:
    """Texts of at least so many words, by whether their first word is among the first half."""
    corpus = sentences(2000, 12)
    kinds = (corpus[:, 0] < SIZE // 2).long()
    model = Sorter()
    optimizer = Adam(model.parameters(), lr=1e-3)
    writer.watch(model, optimizer)
    for step in range(200):
        rows = torch.randint(len(corpus), (16,))
        long = torch.randint(1, 13, (16, 1))
        if step == 90:
            long[3] = least
        ids = corpus[rows].masked_fill(torch.arange(12) >= long, PAD)
        loss = nn.functional.cross_entropy(model(ids), kinds[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        writer.add_diagnostics(loss=loss, global_step=step)


@patient(
    "LD101",
    "LD206",
    family="texts",
    source="https://github.com/pytorch/pytorch/issues/24816, https://github.com/pytorch/pytorch/issues/119371",
)
def a_text_of_padding_alone(writer: SummaryWriter) -> None:
    """A text is empty once: its softmax is over nothing, and all weights are NaN from then on."""
    _sorted(writer, least=0)


@patient(family="texts")
def a_text_of_one_word(writer: SummaryWriter) -> None:
    """The same with a word at least."""
    _sorted(writer, least=1)
