"""Rotary positions whose numbers are, or are not, within what half precision counts."""

from __future__ import annotations

import torch
from clinic.case import case
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, scaled_dot_product_attention
from torch.optim import Adam

from tb_lossdiag import SummaryWriter


class _Turned(nn.Module):
    """A causal layer whose queries and keys are turned by their places; angles have the type of the frequencies, or of what is cast later."""

    def __init__(self, start: int, *, late: bool) -> None:
        super().__init__()
        self.start, self.late = start, late
        self.table, self.qkv = nn.Embedding(10, 32), nn.Linear(32, 96)
        self.out, self.head = nn.Linear(32, 32), nn.Linear(32, 10)
        frequencies = 1.0 / 1000 ** (torch.arange(0, 32, 2) / 32)
        self.register_buffer("frequencies", frequencies if late else frequencies.bfloat16())

    def _turn(self, x: Tensor) -> Tensor:
        frequencies = self.get_buffer("frequencies")
        places = self.start + torch.arange(x.shape[1])
        angles = torch.outer(places.type_as(frequencies), frequencies)
        cos, sin = angles.cos(), angles.sin()
        if self.late:
            cos, sin = cos.bfloat16(), sin.bfloat16()
        even, odd = x[..., ::2], x[..., 1::2]
        turned = torch.stack([even * cos - odd * sin, even * sin + odd * cos], -1)
        return turned.flatten(-2).float()

    def forward(self, ids: Tensor) -> Tensor:
        x = self.table(ids)
        q, k, v = self.qkv(x).chunk(3, -1)
        seen = scaled_dot_product_attention(self._turn(q), self._turn(k), v, is_causal=True)
        logits: Tensor = self.head(x + self.out(seen))
        return logits


def _echo(writer: SummaryWriter, start: int, *, late: bool = False) -> None:
    """Each symbol is to be that of two places before."""
    model = _Turned(start, late=late)
    optimizer = Adam(model.parameters(), lr=3e-3)
    writer.watch(model, optimizer)
    for step in range(300):
        ids = torch.randint(10, (16, 24))
        loss = cross_entropy(model(ids)[:, 2:].flatten(0, 1), ids[:, :-2].flatten())
        optimizer.zero_grad()
        loss.backward()
        writer.add_diagnostics(loss=loss, global_step=step)
        optimizer.step()


@case("LD729", family="transformer", also=("LD104", "LD109", "LD523"))
def places_beyond_what_bfloat16_counts(writer: SummaryWriter) -> None:
    """A window of a long text begins at 1,500, and bfloat16 counts by eight there."""
    _echo(writer, 1500)


@case(family="transformer")
def places_that_bfloat16_counts(writer: SummaryWriter) -> None:
    _echo(writer, 230)


@case(family="transformer")
def far_places_whose_sines_are_cast(writer: SummaryWriter) -> None:
    _echo(writer, 1500, late=True)
