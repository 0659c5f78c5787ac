"""Transformers in another hand: packed projections, `einsum`, methods to be written over; each component can be put in another's place."""

from __future__ import annotations

import torch
from clinic.abroad import patient
from clinic.abroad.loops import train
from torch import Tensor, einsum, nn
from torch.nn import functional as F  # noqa: N812
from torch.optim import AdamW

from tb_lossdiag import SummaryWriter

DIM, HEADS, SYMBOLS, BACK, PAD = 64, 4, 24, 4, 0


def echoes(count: int, length: int = 25) -> Tensor:
    """Rows in which each symbol is mostly that of four places before."""
    rows = torch.randint(1, SYMBOLS, (count, length))
    for place in range(BACK, length):
        keep = torch.rand(count) < 0.9
        rows[keep, place] = rows[keep, place - BACK]
    return rows


def marked(count: int, length: int = 16) -> tuple[Tensor, Tensor]:
    """Padded rows in which one symbol, 1, is a mark, and what stands behind it: 4 kinds of symbols."""
    rows = torch.randint(2, SYMBOLS, (count, length))
    ends = torch.randint(6, length + 1, (count, 1))
    at = (torch.rand(count, 1) * (ends - 2)).long()
    rows.scatter_(1, at, 1)
    answer = rows.gather(1, at + 1)[:, 0] % 4
    return rows.masked_fill(torch.arange(length) >= ends, PAD), answer


class Mixer(nn.Module):
    """Attention by `einsum`, each of its steps a method."""

    def __init__(self, *, causal: bool) -> None:
        super().__init__()
        self.causal = causal
        self.qkv = nn.Linear(DIM, 3 * DIM, bias=False)
        self.merge = nn.Linear(DIM, DIM)

    def heads(self, x: Tensor) -> tuple[Tensor, ...]:
        """Queries, keys and values [batch, head, place, size]."""
        batch, time, _ = x.shape
        packed = self.qkv(x).view(batch, time, 3, HEADS, DIM // HEADS)
        q, k, v = packed.permute(2, 0, 3, 1, 4)
        return q, k, v

    def score(self, q: Tensor, k: Tensor) -> Tensor:
        scores: Tensor = einsum("bhid,bhjd->bhij", q, k) * (DIM // HEADS) ** -0.5
        return scores

    def hide(self, scores: Tensor, real: Tensor | None) -> Tensor:
        time = scores.shape[-1]
        if self.causal:
            later = torch.ones(time, time, dtype=torch.bool).triu(1)
            scores = scores.masked_fill(later, float("-inf"))
        return scores if real is None else scores.masked_fill(~real[:, None, None], float("-inf"))

    def weigh(self, scores: Tensor) -> Tensor:
        return scores.softmax(dim=-1)

    def forward(self, x: Tensor, real: Tensor | None = None) -> Tensor:
        q, k, v = self.heads(x)
        weights = self.weigh(self.hide(self.score(q, k), real))
        out = einsum("bhij,bhjd->bihd", weights, v)
        return self.merge(out.flatten(2))  # type: ignore[no-any-return]


class Layer(nn.Module):
    """Attention, then a feed-forward network, each behind a norm and beside what came in."""

    mixer: type[Mixer] = Mixer

    def __init__(self, *, causal: bool) -> None:
        super().__init__()
        self.attend = self.mixer(causal=causal)
        self.norm_a, self.norm_b = self.norms()
        self.expand, self.shrink = nn.Linear(DIM, 4 * DIM), nn.Linear(4 * DIM, DIM)

    def norms(self) -> tuple[nn.Module, nn.Module]:
        return nn.LayerNorm(DIM), nn.LayerNorm(DIM)

    def think(self, x: Tensor) -> Tensor:
        return self.shrink(F.gelu(self.expand(x)))  # type: ignore[no-any-return]

    def forward(self, x: Tensor, real: Tensor | None = None) -> Tensor:
        x = x + self.attend(self.norm_a(x), real)
        return x + self.think(self.norm_b(x))


class Stack(nn.Module):
    """Symbols in; scores of the next symbol, or of four classes, out."""

    layer: type[Layer] = Layer
    depth = 2

    def __init__(self, *, causal: bool = True) -> None:
        super().__init__()
        self.causal = causal
        self.embed, self.where = nn.Embedding(SYMBOLS, DIM), nn.Embedding(32, DIM)
        self.layers = nn.ModuleList(self.layer(causal=causal) for _ in range(self.depth))
        self.last = nn.LayerNorm(DIM)
        self.head = nn.Linear(DIM, SYMBOLS if causal else 4)
        self.begin()

    def begin(self) -> None:
        """How weights begin."""
        nn.init.normal_(self.embed.weight, std=0.2)
        nn.init.normal_(self.where.weight, std=0.2)

    def come_in(self, tokens: Tensor) -> Tensor:
        return self.embed(tokens) + self.where.weight[: tokens.shape[1]]  # type: ignore[no-any-return]

    def real(self, tokens: Tensor) -> Tensor | None:
        """Which tokens are no padding."""
        return None if self.causal else tokens != PAD

    def sum_up(self, x: Tensor, real: Tensor | None) -> Tensor:
        """A row's vector, from those of its tokens."""
        if real is None:
            return x
        kept = real.unsqueeze(-1)
        return (x * kept).sum(1) / kept.sum(1)

    def forward(self, tokens: Tensor) -> Tensor:
        x, real = self.come_in(tokens), self.real(tokens)
        for layer in self.layers:
            x = layer(x, real)
        return self.head(self.sum_up(self.last(x), real))  # type: ignore[no-any-return]


def speak(writer: SummaryWriter, model: Stack, *, steps: int = 240, ahead: int = 1) -> None:
    """The next symbol of each place."""

    def step() -> Tensor:
        rows = echoes(32)
        wanted = rows[:, ahead : rows.shape[1] - 1 + ahead]
        return F.cross_entropy(model(rows[:, :-1]).transpose(1, 2), wanted)

    train(writer, model, AdamW(model.parameters(), 3e-3), step, steps)


def sort(writer: SummaryWriter, model: Stack, *, steps: int = 240) -> None:
    """The class of a row."""

    def step() -> Tensor:
        rows, answers = marked(48)
        return F.cross_entropy(model(rows), answers)

    def held_out() -> Tensor:
        rows, answers = marked(200)
        return F.cross_entropy(model(rows), answers)

    train(writer, model, AdamW(model.parameters(), 3e-3), step, steps, validate=held_out)


class _Root(nn.Module):
    """Root mean square normalisation, by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(DIM))

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-6) * self.gain


@patient(family="components")
def a_stack_that_speaks(writer: SummaryWriter) -> None:
    """Nothing is wrong: a causal stack with its norms in front."""
    speak(writer, Stack())


@patient(family="components")
def a_stack_that_sorts(writer: SummaryWriter) -> None:
    """Nothing is wrong: padded rows, and the mean of what is real."""
    sort(writer, Stack(causal=False))


@patient(family="components")
def norms_behind_and_not_in_front(writer: SummaryWriter) -> None:
    """The first transformer's way: the norm comes after the sum."""

    class Behind(Layer):
        def forward(self, x: Tensor, real: Tensor | None = None) -> Tensor:
            x = self.norm_a(x + self.attend(x, real))
            return self.norm_b(x + self.think(x))  # type: ignore[no-any-return]

    class Model(Stack):
        layer = Behind

    sort(writer, Model(causal=False))


@patient(family="components")
def both_halves_beside_each_other(writer: SummaryWriter) -> None:
    """Attention and network are given the same and added together, as GPT-J and PaLM do it; the norm is a root mean square."""

    class Beside(Layer):
        def norms(self) -> tuple[nn.Module, nn.Module]:
            return _Root(), nn.Identity()

        def forward(self, x: Tensor, real: Tensor | None = None) -> Tensor:
            seen = self.norm_a(x)
            return x + self.attend(seen, real) + self.think(seen)  # type: ignore[no-any-return]

    class Model(Stack):
        layer = Beside

    speak(writer, Model())


@patient(family="components")
def blocks_that_begin_at_nothing(writer: SummaryWriter) -> None:
    """What each half adds is multiplied by a number that begins at 0 (ReZero)."""

    class Gated(Layer):
        def __init__(self, *, causal: bool) -> None:
            super().__init__(causal=causal)
            self.gate = nn.Parameter(torch.zeros(2))

        def forward(self, x: Tensor, real: Tensor | None = None) -> Tensor:
            x = x + self.gate[0] * self.attend(self.norm_a(x), real)
            return x + self.gate[1] * self.think(self.norm_b(x))

    class Model(Stack):
        layer = Gated

    speak(writer, Model(), steps=300)


@patient(family="components")
def keys_for_all_heads(writer: SummaryWriter) -> None:
    """All heads share one key and one value (multi-query attention)."""

    class Shared(Mixer):
        def heads(self, x: Tensor) -> tuple[Tensor, ...]:
            q, k, v = super().heads(x)
            return q, k[:, :1].expand_as(k), v[:, :1].expand_as(v)

    class One(Layer):
        mixer = Shared

    class Model(Stack):
        layer = One

    speak(writer, Model())


@patient(family="components")
def places_told_by_a_slope(writer: SummaryWriter) -> None:
    """No positions are added: scores fall with the distance, by a slope for each head (ALiBi)."""

    class Sloped(Mixer):
        def score(self, q: Tensor, k: Tensor) -> Tensor:
            steps = torch.arange(k.shape[2])
            apart = (steps[None] - steps[:, None]).float()
            slopes = 2.0 ** -(2.0 * torch.arange(1, HEADS + 1))
            return super().score(q, k) + slopes[:, None, None] * apart

    class One(Layer):
        mixer = Sloped

    class Model(Stack):
        layer = One

        def come_in(self, tokens: Tensor) -> Tensor:
            return self.embed(tokens)  # type: ignore[no-any-return]

        def __init__(self, *, causal: bool = True) -> None:
            super().__init__(causal=causal)
            del self.where

        def begin(self) -> None:
            nn.init.normal_(self.embed.weight, std=0.2)

    speak(writer, Model(), steps=500)


@patient(family="components")
def queries_and_keys_of_length_one(writer: SummaryWriter) -> None:
    """Queries and keys are normalised, and a learned number multiplies their product (QK norm); the head is the embedding."""

    class Unit(Mixer):
        def __init__(self, *, causal: bool) -> None:
            super().__init__(causal=causal)
            self.sharp = nn.Parameter(torch.tensor(5.0))

        def score(self, q: Tensor, k: Tensor) -> Tensor:
            return self.sharp * F.normalize(q, dim=-1) @ F.normalize(k, dim=-1).mT

    class One(Layer):
        mixer = Unit

    class Model(Stack):
        layer = One

        def begin(self) -> None:
            super().begin()
            self.head.weight = self.embed.weight

    speak(writer, Model())
