"""The third lot, of sequences: states and words of a batch, padding, depth, and lengths that grow."""

from __future__ import annotations

from collections.abc import Callable

import torch
from clinic.abroad import patient
from clinic.abroad.corpora import SIZE, padded, sentences
from clinic.abroad.loops import train
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.optim import Adam, AdamW
from torch.optim.lr_scheduler import LambdaLR

from tb_lossdiag import SummaryWriter


class _BothWays(nn.Module):
    """Which part of the vocabulary does a sentence begin in, and which does it end in? By a GRU in both directions."""

    def __init__(self, *, viewed: bool) -> None:
        super().__init__()
        self.embed = nn.Embedding(SIZE, 24)
        self.read = nn.GRU(24, 32, batch_first=True, bidirectional=True)
        self.head = nn.Linear(64, 16)
        self.viewed = viewed

    def forward(self, tokens: Tensor) -> Tensor:
        _, state = self.read(self.embed(tokens))
        if not self.viewed:
            state = state.transpose(0, 1)
        answer: Tensor = self.head(state.reshape(len(tokens), -1))
        return answer


def _ends(writer: SummaryWriter, *, viewed: bool) -> None:
    tokens = sentences(2000, length=10)
    kind = (tokens[:, 0] - 4) // 11 * 4 + (tokens[:, -1] - 4) // 11
    model = _BothWays(viewed=viewed)

    def loss() -> Tensor:
        rows = torch.randint(1600, (64,))
        return cross_entropy(model(tokens[rows]), kind[rows])

    train(
        writer, model, Adam(model.parameters(), 3e-3), loss, 250,
        validate=lambda: cross_entropy(model(tokens[1600:]), kind[1600:]),
    )  # fmt: skip


@patient(
    "LD718",
    family="words",
    source="https://github.com/graykode/nlp-tutorial/issues/38, "
    "https://github.com/PaccMann/paccmann_chemistry/issues/5",
)
def states_of_two_directions_viewed_as_rows(writer: SummaryWriter) -> None:
    """`h_n` has directions first; viewed as a row for each sentence, it holds states of others."""
    _ends(writer, viewed=True)


@patient(family="words")
def states_of_two_directions_side_by_side(writer: SummaryWriter) -> None:
    """The same, transposed before."""
    _ends(writer, viewed=False)


class _Reader(nn.Module):
    """A plain recurrent net over padded words, that answers from its last step or from the last word."""

    def __init__(self, *, to_the_end: bool) -> None:
        super().__init__()
        self.embed = nn.Embedding(SIZE, 24, padding_idx=0)
        self.read = nn.RNN(24, 32, batch_first=True)
        self.head = nn.Linear(32, 4)
        self.to_the_end = to_the_end

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        states, _ = self.read(self.embed(tokens))
        last = torch.full_like(mask[:, 0], -1) if self.to_the_end else mask.sum(1) - 1
        answer: Tensor = self.head(states[torch.arange(len(tokens)), last])
        return answer


def _opinions(writer: SummaryWriter, *, to_the_end: bool) -> None:
    """Short sentences in long rows: which part of the vocabulary is their last word from?"""
    whole = sentences(2000, length=30)
    tokens, mask = padded(whole)
    filler = torch.zeros(2000, 60, dtype=torch.long)
    tokens, mask = torch.cat([tokens, filler], 1), torch.cat([mask, filler], 1)
    kind = (whole.gather(1, mask.sum(1, keepdim=True) - 2)[:, 0] - 4) // 11
    model = _Reader(to_the_end=to_the_end)

    def loss(rows: Tensor) -> Tensor:
        return cross_entropy(model(tokens[rows], mask[rows]), kind[rows])

    train(
        writer, model, Adam(model.parameters(), 2e-3),
        lambda: loss(torch.randint(1600, (64,))), 250,
        validate=lambda: loss(torch.arange(1600, 2000)),
    )  # fmt: skip


# LD705 was added on 2026-11-30, after the measurement: that the answer is the same for every row says more than that nothing is learned
# (LD104), which was right before and is folded beneath it.
@patient(
    "LD720",
    "LD104",
    "LD516",
    "LD705",
    family="words",
    hard=True,
    source="https://github.com/thtrieu/qclass_dl/issues/1, https://github.com/rasbt/LLMs-from-scratch/issues/566",
)
def the_last_step_is_padding(writer: SummaryWriter) -> None:
    """`output[:, -1]` of padded rows: what was read is long forgotten."""
    _opinions(writer, to_the_end=True)


@patient(family="words")
def the_last_word_is_looked_up(writer: SummaryWriter) -> None:
    """The state behind the last word of each row."""
    _opinions(writer, to_the_end=False)


@patient(
    "LD514",
    "LD104",
    family="words",
    source="https://github.com/speechbrain/speechbrain/issues/519, "
    "https://github.com/harvardnlp/namedtensor/issues/66",
)
def tags_of_other_words(writer: SummaryWriter) -> None:
    """Scores are flattened with time first, and tags with sentences first."""
    tokens = sentences(2000, length=16)
    tags = (tokens - 4) % 5
    embed, read, head = nn.Embedding(SIZE, 24), nn.LSTM(24, 32), nn.Linear(32, 5)
    model = nn.ModuleDict({"embed": embed, "read": read, "head": head})

    def loss() -> Tensor:
        rows = torch.randint(2000, (32,))
        states, _ = read(embed(tokens[rows].T))
        return cross_entropy(head(states).reshape(-1, 5), tags[rows].reshape(-1))

    train(writer, model, Adam(model.parameters(), 3e-3), loss, 250)


class _Deep(nn.Module):
    """PyTorch's own encoder layers, which normalise behind the residual, 16 of them, over eight words."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(SIZE, 32)
        self.place = nn.Parameter(0.02 * torch.randn(8, 32))
        block = nn.TransformerEncoderLayer(32, 4, 64, 0.0, batch_first=True)
        self.blocks = nn.TransformerEncoder(block, 16, enable_nested_tensor=False)
        self.head = nn.Linear(32, 4)
        for weight in self.parameters():
            if weight.dim() > 1:
                nn.init.xavier_uniform_(weight)

    def forward(self, tokens: Tensor) -> Tensor:
        answer: Tensor = self.head(self.blocks(self.embed(tokens) + self.place).mean(1))
        return answer


def _climb(writer: SummaryWriter, factor: Callable[[int], float]) -> None:
    tokens = sentences(2000, length=8)
    kind = (tokens[:, 0] - 4) // 11
    model = _Deep()
    optimizer = AdamW(model.parameters(), 2e-3)

    def loss() -> Tensor:
        rows = torch.randint(2000, (32,))
        return cross_entropy(model(tokens[rows]), kind[rows])

    train(writer, model, optimizer, loss, 250, scheduler=LambdaLR(optimizer, factor))


@patient(
    "LD601",
    "LD201",
    "LD705",
    "LD104",
    family="transformer",
    source="https://github.com/pytorch/pytorch/issues/55270, https://arxiv.org/abs/2002.04745",
)
def sixteen_layers_without_a_warm_up(writer: SummaryWriter) -> None:
    """Normalised behind the residuals, and at full rate from the first step: all answers become one."""
    _climb(writer, lambda _: 1.0)


@patient(family="transformer")
def sixteen_layers_with_a_warm_up(writer: SummaryWriter) -> None:
    """A hundred steps up to a quarter of that rate."""
    _climb(writer, lambda step: 0.25 * min(1.0, (step + 1) / 100))


@patient(family="series")
def sums_that_get_longer(writer: SummaryWriter) -> None:
    """A curriculum: a net adds up marked numbers of rows that grow, and its loss rises with each lesson."""
    read, head = nn.GRU(2, 32, batch_first=True), nn.Linear(32, 1)
    model = nn.ModuleDict({"read": read, "head": head})
    drawn = iter(range(400))

    def loss() -> Tensor:
        length = 4 + 6 * (next(drawn) // 100)
        x = torch.rand(64, length)
        marked = (torch.rand(64, length) < 0.5).float()
        states, _ = read(torch.stack([x, marked], 2))
        off: Tensor = head(states[:, -1])[:, 0] - (x * marked).sum(1)
        return off.square().mean()

    train(writer, model, Adam(model.parameters(), 3e-3), loss, 400)
