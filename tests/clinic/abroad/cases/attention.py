"""Transformers written by hand, as tutorials and papers' code do it: attention of one's own in a plain loop."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from clinic.abroad import patient
from clinic.abroad.corpora import SIZE, padded, sentences
from clinic.abroad.loops import train
from clinic.data import Samples, square_digits
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from tb_lossdiag import SummaryWriter

WIDTH, HEADS, TIME = 48, 4, 24
Step = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Plan:
    """What a model is made of; by default as it should be."""

    layers: int = 2
    causal: bool = True
    inverted: bool = False
    over: int = -1
    scale: float = math.sqrt(WIDTH // HEADS)
    viewed: bool = False
    residual: bool = True
    positions: bool = True
    eps: float = 1e-5
    dropout: float = 0.0
    tied: bool = False


class Attention(nn.Module):
    """Scaled dot products of several heads."""

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self.plan = plan
        self.query, self.key, self.value, self.out = (nn.Linear(WIDTH, WIDTH) for _ in range(4))

    def _split(self, x: Tensor) -> Tensor:
        if self.plan.viewed:
            return x.view(x.shape[0], HEADS, -1, WIDTH // HEADS)
        return x.view(*x.shape[:2], HEADS, -1).transpose(1, 2)

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = (self._split(f(x)) for f in (self.query, self.key, self.value))
        scores = query @ key.transpose(-2, -1) / self.plan.scale
        if self.plan.causal:
            ones = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool)
            hidden = ones.tril(-1) if self.plan.inverted else ones.triu(1)
            scores = scores.masked_fill(hidden, -1e9)
        mixed = scores.softmax(self.plan.over) @ value
        if self.plan.viewed:
            return self.out(mixed.reshape(x.shape))  # type: ignore[no-any-return]
        return self.out(mixed.transpose(1, 2).reshape(x.shape))  # type: ignore[no-any-return]


class Block(nn.Module):
    """Attention and a feed-forward part, each behind its normalisation."""

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self.plan, self.attention = plan, Attention(plan)
        self.first, self.second = (nn.LayerNorm(WIDTH, eps=plan.eps) for _ in range(2))
        self.forth = nn.Sequential(
            nn.Linear(WIDTH, 2 * WIDTH), nn.GELU(), nn.Linear(2 * WIDTH, WIDTH)
        )
        self.drop = nn.Dropout(plan.dropout)

    def forward(self, x: Tensor) -> Tensor:
        for norm, part in ((self.first, self.attention), (self.second, self.forth)):
            made = self.drop(part(norm(x)))
            x = x + made if self.plan.residual else made
        return x


class Decoder(nn.Module):
    """Scores of the next token."""

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self.plan = plan
        self.tokens, self.places = nn.Embedding(SIZE, WIDTH), nn.Embedding(64, WIDTH)
        self.blocks = nn.Sequential(*(Block(plan) for _ in range(plan.layers)))
        self.norm = nn.LayerNorm(WIDTH, eps=plan.eps)
        self.head = nn.Linear(WIDTH, SIZE, bias=False)
        nn.init.normal_(self.tokens.weight, std=0.02)
        nn.init.normal_(self.places.weight, std=0.02)
        if plan.tied:
            self.head.weight = self.tokens.weight

    def embedded(self, tokens: Tensor) -> Tensor:
        """Vectors of the tokens, and of their places."""
        vectors: Tensor = self.tokens(tokens)
        if not self.plan.positions:
            return vectors
        return vectors + self.places(torch.arange(tokens.shape[1]))  # type: ignore[no-any-return]

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.norm(self.blocks(self.embedded(tokens))))  # type: ignore[no-any-return]


def learn(
    writer: SummaryWriter,
    model: Any,
    *,
    optimizer: Any = None,
    steps: int = 150,
    batch_of: Callable[[], Tensor] | None = None,
    ahead: int = 1,
    **loss: Any,
) -> None:
    """Next tokens of the language, by AdamW unless another optimizer is given."""
    rows = sentences(2000)
    draw = batch_of or (lambda: rows[torch.randint(len(rows), (16,))])

    def step() -> Tensor:
        tokens = draw()
        target = tokens[:, ahead : tokens.shape[1] - 1 + ahead]
        return cross_entropy(model(tokens[:, :-1]).flatten(0, 1), target.flatten(), **loss)

    train(writer, model, optimizer or torch.optim.AdamW(model.parameters(), 2e-3), step, steps)


@patient(family="attention")
def a_decoder_by_hand(writer: SummaryWriter) -> None:
    """Two layers, as in a tutorial."""
    learn(writer, Decoder(Plan()))


@patient(family="attention")
def a_decoder_whose_head_is_its_embedding(writer: SummaryWriter) -> None:
    """Weight tying."""
    learn(writer, Decoder(Plan(tied=True)))


@patient(family="attention")
def a_decoder_with_much_dropout(writer: SummaryWriter) -> None:
    """Four tenths in each block, as papers do it that train on little."""
    learn(writer, Decoder(Plan(dropout=0.4)))


@patient(family="attention")
def a_decoder_of_padded_rows(writer: SummaryWriter) -> None:
    """Padding is not scored."""
    rows, _ = padded(sentences(2000))
    draw = lambda: rows[torch.randint(len(rows), (16,))]  # noqa: E731
    learn(writer, Decoder(Plan()), batch_of=draw, ignore_index=0)


class Turning(Attention):
    """Positions as angles by which queries and keys are turned."""

    def _split(self, x: Tensor) -> Tensor:
        heads = super()._split(x)
        half = heads.shape[-1] // 2
        angles = torch.arange(heads.shape[-2])[:, None] / 100 ** (torch.arange(half) / half)
        a, b = heads[..., :half], heads[..., half:]
        return torch.cat(
            [a * angles.cos() - b * angles.sin(), a * angles.sin() + b * angles.cos()], -1
        )


@patient(family="attention")
def a_decoder_that_turns_its_queries(writer: SummaryWriter) -> None:
    """Rotary positions."""
    model = Decoder(Plan(positions=False))
    del model.places
    for block in model.blocks:
        block.attention = Turning(model.plan)
    learn(writer, model)


class Sorter(nn.Module):
    """torch's own encoder and decoder: a row of tokens in, the same row sorted out."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens, self.places = nn.Embedding(SIZE, WIDTH), nn.Embedding(64, WIDTH)
        self.core = nn.Transformer(WIDTH, HEADS, 1, 1, 2 * WIDTH, 0.1, batch_first=True)
        self.head = nn.Linear(WIDTH, SIZE)

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        first, second = (
            self.tokens(t) + self.places.weight[: t.shape[1]] for t in (source, target)
        )
        mask = nn.Transformer.generate_square_subsequent_mask(target.shape[1])
        return self.head(self.core(first, second, tgt_mask=mask))  # type: ignore[no-any-return]


def sort(writer: SummaryWriter, **loss: Any) -> None:
    """Rows of different lengths, padded with 0."""
    model = Sorter()

    def step() -> Tensor:
        lengths = torch.randint(4, 13, (32, 1))
        rows = torch.randint(4, SIZE, (32, 12)).where(torch.arange(12) < lengths, SIZE)
        target = rows.sort(1).values
        begun = torch.cat([torch.ones(32, 1, dtype=torch.long), target[:, :-1]], 1)
        source, begun, target = (t.where(t < SIZE, 0) for t in (rows, begun, target))
        return cross_entropy(model(source, begun).flatten(0, 1), target.flatten(), **loss)

    train(writer, model, torch.optim.Adam(model.parameters(), 2e-3), step, 200)


@patient(family="attention")
def rows_are_sorted(writer: SummaryWriter) -> None:
    """An encoder and a decoder."""
    sort(writer, ignore_index=0)


@patient("LD516", family="attention", source="lucidrains/DALLE-pytorch issue 57")
def padding_is_sorted_too(writer: SummaryWriter) -> None:
    """`ignore_index` is forgotten."""
    sort(writer)


class Patches(nn.Module):
    """Digits as sixteen patches, through blocks that see each other."""

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self.plan = plan
        self.cut, self.places = nn.Conv2d(1, WIDTH, 2, 2), nn.Parameter(torch.randn(16, WIDTH) / 50)
        self.blocks = nn.Sequential(*(Block(plan) for _ in range(plan.layers)))
        self.head = nn.Linear(WIDTH, 10)

    def forward(self, x: Tensor) -> Tensor:
        patches = self.cut(x).flatten(2).transpose(1, 2)
        placed = patches + self.places if self.plan.positions else patches
        return self.head(self.blocks(placed).mean(1))  # type: ignore[no-any-return]


def see(writer: SummaryWriter, plan: Plan, *, mixed: bool = False) -> None:
    """Which digit it is, or what is said of another one."""
    digits, _ = square_digits()
    if mixed:
        digits = Samples(digits.x, digits.y[torch.randperm(len(digits.y))])
    model = Patches(plan)

    def step() -> Tensor:
        chosen = torch.randint(len(digits.y), (64,))
        return cross_entropy(model(digits.x[chosen]), digits.y[chosen])

    train(writer, model, torch.optim.AdamW(model.parameters(), 2e-3), step, 150)


@patient(family="attention")
def patches_of_digits(writer: SummaryWriter) -> None:
    """A vision transformer without a class token."""
    see(writer, Plan(causal=False))
