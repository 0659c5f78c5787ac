"""Models that are given more than one thing: conditions, masks, sources, labels; and those that leave one of them out."""

from __future__ import annotations

import torch
from clinic.abroad import patient
from clinic.abroad.loops import train
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812
from torch.optim import Adam

from tb_lossdiag import SummaryWriter

KINDS = 4


class _Denoiser(nn.Module):
    """Says which noise was added to a point of one of four clouds, at a time between 0 and 1."""

    def __init__(self, *, told: bool) -> None:
        super().__init__()
        self.told = told
        self.kind_embed = nn.Embedding(KINDS, 32)
        self.time_embed, self.enter = nn.Linear(1, 32), nn.Linear(2, 32)
        self.rest = nn.Sequential(nn.SiLU(), nn.Linear(32, 64), nn.SiLU(), nn.Linear(64, 2))

    def forward(self, x: Tensor, t: Tensor, kind: Tensor | None = None) -> Tensor:
        hidden = self.enter(x) + self.time_embed(t[:, None])
        if self.told:
            hidden = hidden + self.kind_embed(kind)
        noise: Tensor = self.rest(hidden)
        return noise


def _denoise(writer: SummaryWriter, *, told: bool) -> None:
    model = _Denoiser(told=told)
    if not told:
        del model.kind_embed  # as where `num_class_embeds` was forgotten
    centres = 2 * torch.tensor([[1.0, 1], [-1, 1], [-1, -1], [1, -1]])

    def step() -> Tensor:
        kind, t = torch.randint(KINDS, (64,)), torch.rand(64)
        clean, noise = centres[kind] + 0.1 * torch.randn(64, 2), torch.randn(64, 2)
        noisy = (1 - t)[:, None] * clean + t[:, None] * noise
        said: Tensor = model(noisy, t, kind=kind)
        return (said - noise).square().mean()

    train(writer, model, Adam(model.parameters(), 2e-3), step, 300)


@patient("LD740", family="conditions", source="huggingface/diffusers issue 5330, issue 6911")
def a_kind_that_is_handed_over_and_left(writer: SummaryWriter) -> None:
    """The denoiser takes `kind`, and was built without an embedding for it: it is ignored without a word."""
    _denoise(writer, told=False)


@patient(family="conditions")
def a_kind_that_is_heard(writer: SummaryWriter) -> None:
    """The same, built with the embedding."""
    _denoise(writer, told=True)


class _Pooled(nn.Module):
    """A bag of words, of which those count that the mask says; with labels it returns its loss as well."""

    def __init__(self, *, masked: bool) -> None:
        super().__init__()
        self.masked = masked
        self.words, self.head = nn.Embedding(30, 24), nn.Linear(24, 3)

    def forward(self, ids: Tensor, attention_mask: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        vectors = self.words(ids)
        if self.masked:
            kept = attention_mask[..., None]
            pooled = (vectors * kept).sum(1) / kept.sum(1)
        else:
            pooled = vectors.mean(1)
        logits: Tensor = self.head(pooled)
        return F.cross_entropy(logits, labels), logits


def _pool(writer: SummaryWriter, *, masked: bool) -> None:
    model = _Pooled(masked=masked)

    def step() -> Tensor:
        ids = torch.randint(30, (48, 20))
        mask = (torch.arange(20) < torch.randint(3, 21, (48, 1))).float()
        labels = (((ids % 3 == 1) * mask).sum(1) > ((ids % 3 == 2) * mask).sum(1)).long()
        loss: Tensor = model(ids, attention_mask=mask, labels=labels)[0]
        return loss

    train(writer, model, Adam(model.parameters(), 1e-2), step, 300)


@patient(
    "LD740",
    family="conditions",
    source="TransformerLensOrg/TransformerLens issue 467, facebookresearch/fairseq issue 1339",
)
def a_mask_that_is_never_applied(writer: SummaryWriter) -> None:
    """`attention_mask` is an argument and no more: what stands behind the end of a row counts like the row."""
    _pool(writer, masked=False)


@patient(family="conditions")
def a_mask_that_is_applied(writer: SummaryWriter) -> None:
    """The same with the mask; labels are for the loss alone, which the model returns."""
    _pool(writer, masked=True)


class _Translator(nn.Module):
    """A source is read, and a target is written with its start at hand; now and then the model's own words are."""

    def __init__(self, *, reads: bool) -> None:
        super().__init__()
        self.reads = reads
        self.embed = nn.Embedding(12, 32)
        self.reader, self.writer_cell = nn.GRU(32, 32, batch_first=True), nn.GRUCell(32, 32)
        self.head = nn.Linear(32, 12)

    def forward(self, src: Tensor, trg: Tensor) -> Tensor:
        hidden = self.reader(self.embed(src))[1][0]
        if not self.reads:
            hidden = torch.zeros_like(hidden)
        word, said = trg[:, 0], []
        for place in range(trg.shape[1]):
            hidden = self.writer_cell(self.embed(word), hidden)
            said.append(self.head(hidden))
            forced = self.training and float(torch.rand(())) < 0.5
            word = trg[:, place] if forced else said[-1].argmax(1)
        return torch.stack(said, 1)


def _translate(writer: SummaryWriter, *, reads: bool) -> None:
    model = _Translator(reads=reads)

    def step() -> Tensor:
        src = torch.randint(12, (32, 6))
        trg = (src.flip(1) + 1) % 12
        return F.cross_entropy(model(src, trg).flatten(0, 1), trg.flatten())

    train(writer, model, Adam(model.parameters(), 5e-3), step, 300)


@patient(
    "LD740",
    "LD204",
    family="conditions",
    source="huggingface/diffusers issue 2895 (a condition that is not used)",
)
def a_translator_that_never_reads(writer: SummaryWriter) -> None:
    """The decoder begins at 0 instead of where the encoder ended."""
    _translate(writer, reads=False)


@patient(family="conditions")
def a_translator_that_is_forced_in_training_alone(writer: SummaryWriter) -> None:
    """In eval() the decoder does without the target that it is given; a coin says when it may see it."""
    _translate(writer, reads=True)
