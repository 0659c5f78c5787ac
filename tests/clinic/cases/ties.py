"""Models of one's own whose embedding is their head: all the time, until they part, and never."""

from __future__ import annotations

import torch
from clinic.case import case
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.optim import Adam

from tb_lossdiag import SummaryWriter

_SYMBOLS = 40


class _Speaker(nn.Module):
    """Says the next symbol of a sequence."""

    def __init__(self, *, tied: bool) -> None:
        super().__init__()
        self.table = nn.Embedding(_SYMBOLS, 32)
        self.rnn = nn.GRU(32, 32, batch_first=True)
        self.head = nn.Linear(32, _SYMBOLS, bias=False)
        nn.init.normal_(self.table.weight, std=0.1)
        if tied:
            self.head.weight = self.table.weight

    def forward(self, symbols: Tensor) -> Tensor:
        answer: Tensor = self.head(self.rnn(self.table(symbols))[0])
        return answer


def _sequences() -> Tensor:
    begin = torch.randint(_SYMBOLS, (32, 1))
    return (begin + torch.randint(1, 3, (32, 20)).cumsum(1)) % _SYMBOLS


def _speak(writer: SummaryWriter, model: _Speaker, *, part: int = -1, steps: int = 300) -> None:
    optimizer = Adam(model.parameters(), lr=3e-3)
    writer.watch(model, optimizer)
    for step in range(steps):
        if step == part:
            model.head.weight = nn.Parameter(model.table.weight.detach().clone())
            optimizer.add_param_group({"params": [model.head.weight]})
        symbols = _sequences()
        optimizer.zero_grad()
        loss = cross_entropy(model(symbols[:, :-1]).flatten(0, 1), symbols[:, 1:].flatten())
        loss.backward()
        optimizer.step()
        writer.add_diagnostics(loss=loss, global_step=step)


@case(
    "LD620", family="RNN", hint=True, source="KellerJordan/modded-nanogpt: parted late on purpose"
)
def embedding_and_head_part_in_mid_training(writer: SummaryWriter) -> None:
    _speak(writer, _Speaker(tied=True), part=100, steps=600)


@case(family="RNN")
def embedding_is_the_head_as_well(writer: SummaryWriter) -> None:
    _speak(writer, _Speaker(tied=True))


@case(family="RNN")
def head_begins_as_a_copy_of_the_embedding(writer: SummaryWriter) -> None:
    model = _Speaker(tied=False)
    model.head.load_state_dict(model.table.state_dict())
    _speak(writer, model)
