"""Direct preference optimization by hand, that logs its loss alone: with a reference, without one, and of one answer twice."""

from __future__ import annotations

import copy

import torch
from clinic.case import case
from torch import Tensor, nn
from torch.nn.functional import logsigmoid
from torch.optim import AdamW

from tb_lossdiag import SummaryWriter

_WORDS, _LONG = 24, 8


class _Policy(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(_WORDS, 32)
        self.rnn = nn.GRU(32, 48, batch_first=True)
        self.head = nn.Linear(48, _WORDS)

    def forward(self, tokens: Tensor) -> Tensor:
        """Logarithms of the probabilities of whole texts."""
        states, _ = self.rnn(self.embedding(tokens[:, :-1]))
        words = self.head(states).log_softmax(-1).gather(2, tokens[:, 1:, None])
        whole: Tensor = words.squeeze(2).sum(1)
        return whole


def _pairs() -> tuple[Tensor, Tensor]:
    """Texts that count up by one are preferred to texts that count up by two."""
    start = torch.randint(_WORDS, (16, 1))
    places = torch.arange(_LONG)
    return (start + places) % _WORDS, (start + 2 * places) % _WORDS


def _prefer(
    writer: SummaryWriter, *, own: bool = False, twice: bool = False, beta: float = 0.1
) -> None:
    policy = _Policy()
    reference = policy if own else copy.deepcopy(policy)
    optimizer = AdamW(policy.parameters(), lr=1e-3)
    writer.watch(policy, optimizer)
    for step in range(300):
        chosen, rejected = _pairs()
        rejected = chosen if twice else rejected
        optimizer.zero_grad()
        with torch.no_grad():
            before = reference(chosen) - reference(rejected)
        margin = policy(chosen) - policy(rejected) - before
        loss = -logsigmoid(beta * margin).mean()
        loss.backward()
        optimizer.step()
        writer.add_diagnostics(loss=loss, global_step=step)


@case(family="RNN")
def preferences_beside_a_copy(writer: SummaryWriter) -> None:
    _prefer(writer)


@case("LDR22", family="RNN", also=("LD608",), source="YiyangZhou/POVID issue 11")
def preferences_beside_oneself(writer: SummaryWriter) -> None:
    """The policy is its own reference."""
    _prefer(writer, own=True)


@case("LDR22", "LD205", family="RNN", source="huggingface/trl issue 1311")
def preferences_between_one_answer_and_itself(writer: SummaryWriter) -> None:
    """Chosen and rejected are one column."""
    _prefer(writer, twice=True)


@case("LD205", family="RNN", source="huggingface/trl issue 1627")
def preferences_that_are_multiplied_by_nought(writer: SummaryWriter) -> None:
    """`beta` is 0: all rewards are 0 and so are all gradients, though policy and reference are two."""
    _prefer(writer, beta=0.0)
