"""One criterion for two tasks: what one leaves out is an answer of the other."""

from __future__ import annotations

import torch
from clinic.abroad import patient
from clinic.abroad.corpora import PAD, SIZE, masked, sentences
from clinic.abroad.loops import train
from torch import Tensor, nn
from torch.optim import Adam

from tb_lossdiag import SummaryWriter

_WIDTH, _LENGTH = 48, 16
_STEPS = 250


class _Reader(nn.Module):
    """Reads two halves of a text; says which words are hidden, and whether one goes on where the other ends."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(SIZE, _WIDTH, padding_idx=PAD)
        self.places = nn.Embedding(_LENGTH, _WIDTH)
        layer = nn.TransformerEncoderLayer(_WIDTH, 4, 2 * _WIDTH, 0.0, batch_first=True)
        self.body = nn.TransformerEncoder(layer, 2)
        self.word, self.goes_on = nn.Linear(_WIDTH, SIZE), nn.Linear(_WIDTH, 2)

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """(log-probabilities of no and yes, log-probabilities of words at each place)."""
        read = self.body(self.words(tokens) + self.places.weight)
        return self.goes_on(read[:, 0]).log_softmax(-1), self.word(read).log_softmax(-1)


def _read(writer: SummaryWriter, words: nn.Module, halves: nn.Module, rate: float) -> None:
    texts = sentences(4096, _LENGTH)
    model = _Reader()

    def loss() -> Tensor:
        first, others = (texts[torch.randint(len(texts), (64,))] for _ in range(2))
        yes = torch.randint(2, (64,))
        later = torch.where(yes[:, None] == 1, first, others)[:, _LENGTH // 2 :]
        tokens, hidden = masked(torch.cat([first[:, : _LENGTH // 2], later], 1), int(yes.sum()))
        answer, said = model(tokens)
        wanted = hidden.masked_fill(hidden < 0, PAD)
        total: Tensor = halves(answer, yes) + words(said.transpose(1, 2), wanted)
        return total

    train(writer, model, Adam(model.parameters(), rate), loss, _STEPS)


@patient(
    "LD506", "LD515", family="two tasks", source="codertimo/BERT-pytorch, issues on NSP accuracy"
)
def no_is_what_padding_is(writer: SummaryWriter) -> None:
    """Padding is word 0, and "does not go on" is answer 0: one criterion leaves out both."""
    both = nn.NLLLoss(ignore_index=PAD)
    _read(writer, both, both, 3e-4)


@patient(family="two tasks")
def padding_and_no_apart(writer: SummaryWriter) -> None:
    """A criterion for each."""
    _read(writer, nn.NLLLoss(ignore_index=PAD), nn.NLLLoss(), 1e-3)


@patient(family="two tasks")
def words_that_come_late(writer: SummaryWriter) -> None:
    """With so small a rate not a word is learned yet: nothing but time is missing."""
    _read(writer, nn.NLLLoss(ignore_index=PAD), nn.NLLLoss(), 2e-5)
