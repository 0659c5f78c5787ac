"""Padding tells which axis is time, where both may hold the samples."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from helpers.probed import mixing
from tb_lossdiag.collect.probes.axes import over_samples
from tb_lossdiag.quantities import Mixing

BATCH, TIME, WIDTH = 12, 9, 6
drawn = torch.Generator().manual_seed(3)
lengths = torch.tensor([9, 4, 7, 3, 9, 5, 8, 6, 4, 7, 9, 3])
there = torch.arange(TIME) < lengths[:, None]
tokens = torch.randint(1, 20, (BATCH, TIME), generator=drawn) * there
numbers = torch.randn(BATCH, TIME, WIDTH, generator=drawn) * there[..., None]
falling = there[lengths.argsort(descending=True, stable=True)]
two = torch.arange(TIME) < torch.where(torch.arange(BATCH)[:, None] % 2 == 0, TIME, 5)


counts = torch.tensor([3, 4, 5, 6, 7, 9, 9, 8, 7, 6, 5, 4])
seen = torch.arange(TIME) < counts[:, None]
"""Of so many road users, time by time."""


class Places(nn.Module):
    """An answer for each place."""

    def __init__(self, reader: nn.Module) -> None:
        super().__init__()
        self.reader, self.rnn, self.head = reader, nn.LSTM(8, 10), nn.Linear(10, 3)

    def forward(self, x: Tensor) -> Tensor:
        answer: Tensor = self.head(self.rnn(self.reader(x))[0])
        return answer


@pytest.mark.parametrize(
    ("reader", "given"), [(nn.Embedding(20, 8), tokens), (nn.Linear(WIDTH, 8), numbers)]
)
def test_rows_that_are_filled_up_are_samples(reader: nn.Module, given: Tensor) -> None:
    assert mixing(Places(reader), given) is Mixing.RECURRENT
    assert mixing(Places(reader), given.transpose(0, 1)) is None


@pytest.mark.parametrize(
    "given",
    [
        torch.randint(1, 20, (BATCH, TIME), generator=drawn),  # no padding
        tokens.flip(1),  # at the beginning
        tokens.mT,  # time first
        falling.long(),  # sorted by length: so look both axes
        falling.mT.long(),
        torch.randint(1, 20, (BATCH, TIME), generator=drawn) * two,  # two lengths: a mode, say
        torch.where(there, tokens, 0).where(torch.rand(BATCH, TIME, generator=drawn) < 0.8, 0),
        torch.zeros(BATCH, TIME, WIDTH),
        tokens[:3],
        tokens[:7],  # few lengths
        seen.float()[..., None].expand(-1, -1, WIDTH)
        * torch.rand(BATCH, TIME, WIDTH, generator=drawn),
        tokens[0],
        numbers.to(torch.complex64),
    ],
)
def test_what_does_not_tell(given: Tensor) -> None:
    assert not over_samples(given)


@pytest.mark.parametrize("given", [tokens, numbers, tokens + 5])
def test_what_tells(given: Tensor) -> None:
    assert over_samples(given)
