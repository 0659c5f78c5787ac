"""A small language that a small model learns in a hundred steps, and a tokenizer for it."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.utils.data import Dataset

PAD, BOS, EOS, MASK = range(4)
WORDS = 44
SIZE = 4 + WORDS
"""Number of tokens: four special ones, then the words."""

Example = dict[str, Tensor]


def sentences(count: int, length: int = 24, seed: int = 0) -> Tensor:
    """Sentences int64[count, length] in which three words may follow each word, one of them mostly."""
    grammar = torch.Generator().manual_seed(0)
    follows = torch.stack([torch.randperm(WORDS, generator=grammar)[:3] for _ in range(WORDS)])
    draw = torch.Generator().manual_seed(1 + seed)
    words = [torch.randint(WORDS, (count,), generator=draw)]
    odds = torch.tensor([0.8, 0.15, 0.05])
    for _ in range(length - 1):
        choice = torch.multinomial(odds.expand(count, 3), 1, generator=draw)
        words.append(follows[words[-1]].gather(1, choice)[:, 0])
    return 4 + torch.stack(words, 1)


def padded(sentences_: Tensor, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Sentences cut at random lengths, ended and padded, and the mask of what is no padding."""
    rows, length = sentences_.shape
    draw = torch.Generator().manual_seed(seed)
    ends = torch.randint(length // 5, length // 2, (rows, 1), generator=draw)
    place = torch.arange(length).expand(rows, length)
    cut = torch.where(place < ends, sentences_, torch.where(place == ends, EOS, PAD))
    return cut, (place <= ends).long()


class Examples(Dataset[Example]):
    """Rows of several tensors under their names."""

    def __init__(self, **columns: Tensor) -> None:
        self.columns = columns

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def __getitem__(self, index: int) -> Example:
        return {name: column[index] for name, column in self.columns.items()}


def words_of(row: Tensor) -> str:
    """A sentence as text: w5 w17 …"""
    return " ".join(f"w{int(token) - 4}" for token in row if int(token) >= 4)


def masked(inputs: Tensor, seed: int = 0, share: float = 0.15) -> tuple[Tensor, Tensor]:
    """Inputs with a share of the tokens masked, and labels of those alone."""
    draw = torch.Generator().manual_seed(seed)
    chosen = torch.rand(inputs.shape, generator=draw) < share
    return inputs.masked_fill(chosen, MASK), inputs.masked_fill(~chosen, -100)
