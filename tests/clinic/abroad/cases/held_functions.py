"""Models whose layers call each other through functions that they hold, as minGPT's and makemore's blocks do."""

from __future__ import annotations

from typing import Any

import torch
from clinic.abroad import patient
from clinic.abroad.loops import train
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, dropout
from torch.optim import AdamW

from tb_lossdiag import SummaryWriter

_LETTERS, _LONGEST, _WIDTH = 27, 12, 32
_PLACES = _LONGEST + 1
_NONE = -1
_SOURCE = "karpathy/makemore (its Block)"


class _Attention(nn.Module):
    """One head; `causal` whether each place sees what was before it alone."""

    def __init__(self, *, causal: bool) -> None:
        super().__init__()
        self.asked, self.last = nn.Linear(_WIDTH, 3 * _WIDTH), nn.Linear(_WIDTH, _WIDTH)
        before = torch.tril(torch.ones(_PLACES, _PLACES, dtype=torch.bool))
        self.register_buffer("seen", before if causal else torch.ones_like(before))
        self.seen: Tensor

    def forward(self, x: Tensor) -> Tensor:
        queries, keys, values = self.asked(x).chunk(3, -1)
        scores = queries @ keys.transpose(1, 2) * _WIDTH**-0.5
        shares = scores.masked_fill(~self.seen, float("-inf")).softmax(-1)
        answer: Tensor = self.last(shares @ values)
        return answer


class _Block(nn.Module):
    """The parts of its second half lie in a table, which a function calls; it drops as a function, or by a module made there."""

    def __init__(self, *, causal: bool, drops: str = "") -> None:
        super().__init__()
        self.first, self.second = nn.LayerNorm(_WIDTH), nn.LayerNorm(_WIDTH)
        self.attention = _Attention(causal=causal)
        m: Any = nn.ModuleDict(
            {"up": nn.Linear(_WIDTH, 64), "act": nn.GELU(), "down": nn.Linear(64, _WIDTH)}
        )
        self.parts = m
        self.half: Any = lambda h: m.down(m.act(m.up(h)))
        if drops == "function":
            self.half = lambda h: dropout(m.down(m.act(m.up(h))), 0.2)
        elif drops == "module":
            self.half = lambda h: nn.Dropout(0.2)(m.down(m.act(m.up(h))))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.first(x))
        answer: Tensor = x + self.half(self.second(x))
        return answer


class _Names(nn.Module):
    """A small GPT over letters that knows its own loss."""

    def __init__(self, **how: Any) -> None:
        super().__init__()
        self.letters, self.places = nn.Embedding(_LETTERS, _WIDTH), nn.Embedding(_PLACES, _WIDTH)
        self.blocks = nn.ModuleList(_Block(**how) for _ in range(2))
        self.norm, self.head = nn.LayerNorm(_WIDTH), nn.Linear(_WIDTH, _LETTERS)

    def forward(self, x: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
        h = self.letters(x) + self.places(torch.arange(_PLACES))
        for block in self.blocks:
            h = block(h)
        logits = self.head(self.norm(h))
        loss = cross_entropy(logits.flatten(0, 1), wanted.flatten(), ignore_index=_NONE)
        return logits, loss


def _words(count: int) -> tuple[Tensor, Tensor]:
    """(begin and letters, letters and end): a letter follows by one of three steps; what comes after the end does not count."""
    letters = torch.zeros(count, _PLACES, dtype=torch.long)
    letters[:, 1] = torch.randint(1, _LETTERS, (count,))
    for place in range(2, _PLACES):
        step = torch.tensor([1, 5, 11])[torch.randint(3, (count,))]
        letters[:, place] = (letters[:, place - 1] + step) % (_LETTERS - 1) + 1
    ends = torch.randint(5, _PLACES, (count, 1))
    places = torch.arange(_PLACES)
    x = letters.where(places <= ends, torch.zeros_like(letters))
    y = torch.cat([x[:, 1:], x[:, :1] * 0], 1)
    return x, y.where(places <= ends, torch.full_like(y, _NONE))


def _learn(writer: SummaryWriter, **how: Any) -> None:
    (x, y), model = _words(3000), _Names(**how)

    def loss() -> Tensor:
        rows = torch.randint(2600, (32,))
        value: Tensor = model(x[rows], y[rows])[1]
        return value

    train(writer, model, AdamW(model.parameters(), 3e-3), loss, 400, validate=lambda: model(x[2600:], y[2600:])[1])  # fmt: skip


@patient("LD716", family="attention", source=_SOURCE)
def names_that_see_their_ends(writer: SummaryWriter) -> None:
    """Without its causal mask; the function of each block holds layers of the model."""
    _learn(writer, causal=False)


@patient("LD719", family="attention", source=_SOURCE)
def a_function_that_never_stops_dropping(writer: SummaryWriter) -> None:
    """Dropout within a function that the model holds, which knows no mode."""
    _learn(writer, causal=True, drops="function")


@patient(
    "LD719",
    family="attention",
    source="yangze0930/NTS-Net issue 14, Linardos/SalEMA issue 6",
)
def a_dropout_made_for_each_pass(writer: SummaryWriter) -> None:
    """`nn.Dropout(0.2)(x)` within the forward pass: eval() reaches no module that does not exist yet."""
    _learn(writer, causal=True, drops="module")


@patient(family="attention", source=_SOURCE)
def names_that_see_what_was(writer: SummaryWriter) -> None:
    """The same as it should be."""
    _learn(writer, causal=True)
