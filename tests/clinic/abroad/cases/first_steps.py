"""Language models in their first steps: frequent words are learned first, and every answer is the most frequent one for a while."""

from __future__ import annotations

import torch
from clinic.abroad import patient
from clinic.abroad.loops import train
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.optim import AdamW
from torch.optim.lr_scheduler import LambdaLR

from tb_lossdiag import SummaryWriter

_WORDS, _LENGTH, _WIDTH = 96, 32, 32
_WARM = 100


class _Reader(nn.Module):
    """Two blocks that see what came before; weights as GPT-2 begins with."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.places = nn.Embedding(_WORDS, _WIDTH), nn.Embedding(_LENGTH, _WIDTH)
        layer = nn.TransformerEncoderLayer(
            _WIDTH, 2, 4 * _WIDTH, 0.0, "gelu", batch_first=True, norm_first=True
        )
        self.body = nn.TransformerEncoder(
            layer, 2, nn.LayerNorm(_WIDTH), enable_nested_tensor=False
        )
        for weight in (p for p in self.parameters() if p.dim() > 1):
            nn.init.normal_(weight, std=0.02)

    def forward(self, tokens: Tensor) -> Tensor:
        """Scores of the next words, by the embeddings themselves."""
        ahead = torch.ones(_LENGTH, _LENGTH, dtype=torch.bool).triu(1)
        read: Tensor = self.body(self.words(tokens) + self.places.weight, mask=ahead)
        return read @ self.words.weight.T


def _texts(count: int) -> Tensor:
    """int64[count, length + 1]: the next word follows from the one before in three of ten places, else it is as frequent as its rank says."""
    ranks = torch.arange(1.0, _WORDS + 1).pow(-1.3).expand(count, -1)
    free = ranks.multinomial(_LENGTH + 1, replacement=True)
    after = torch.randperm(_WORDS, generator=torch.Generator().manual_seed(0))
    follows = torch.rand(free.shape) < 0.3
    for place in range(1, _LENGTH + 1):
        free[:, place] = torch.where(follows[:, place], after[free[:, place - 1]], free[:, place])
    return free


def _read(writer: SummaryWriter, steps: int, before: int = 0) -> None:
    """Learn; the first steps may have been another process's."""
    model = _Reader()
    optimizer = AdamW(model.parameters(), 1e-3, weight_decay=0.0)
    warm = LambdaLR(optimizer, lambda step: min(1.0, (step + 1) / _WARM))

    def loss() -> Tensor:
        tokens = _texts(8)
        scores = model(tokens[:, :-1])
        return cross_entropy(scores.flatten(0, 1), tokens[:, 1:].flatten())

    for _ in range(before):
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()
        warm.step()
    train(writer, model, optimizer, loss, steps, scheduler=warm)


@patient(family="language", source="karpathy/nanoGPT, train_shakespeare_char.py, its first steps")
def words_in_their_warm_up(writer: SummaryWriter) -> None:
    """Taken up at step 40, while the rate still rises: the most frequent word is the answer to all, and the loss falls."""
    _read(writer, 60, before=40)


@patient(family="language")
def words_after_their_warm_up(writer: SummaryWriter) -> None:
    """The same training later on."""
    _read(writer, 300)
