"""How much of what is scored is padding: ends of sequences where tokens and targets are one and the same value, in many of them."""

from __future__ import annotations

import torch
from torch import Tensor

from tb_lossdiag.collect.check_up.values import Value

_SHORTEST = 3
"""Places of an end; a sequence may well end with the same token twice."""


def padded(rows: Tensor, tokens: Tensor, counted: Tensor) -> Value:
    """Share of the targets that count which are padding, at the end or at the beginning, whichever is more.

    Args:
        rows: whole[N, T] or whole[N, T - 1]: targets.
        tokens: whole[N, T]: what the model was given.
        counted: bool, as the targets: those that count.
    """
    width = rows.shape[1]
    rows = _carried_on(rows, counted)
    ends = ending(rows) & ending(tokens)[:, -width:]
    begins = ending(rows.flip(1)).flip(1) & ending(tokens.flip(1)).flip(1)[:, :width]
    counts = [(side & counted).sum() for side in (ends, begins)]
    return torch.maximum(*counts) / counted.sum().clamp_min(1)


def _carried_on(rows: Tensor, counted: Tensor) -> Tensor:
    """The targets without the places at both ends that count in no sequence: a model that shifts its labels ignores the last."""
    places = counted.any(0).nonzero().flatten()
    if not len(places):
        return rows
    width = rows.shape[1]
    return rows[:, torch.arange(width, device=rows.device).clamp(int(places[0]), int(places[-1]))]


def ending(rows: Tensor) -> Tensor:
    """bool[N, T]: the constant end of each sequence, where its value is that of the longest one."""
    last = rows[:, -1:]
    tail = (rows == last).flip(1).cumprod(1).flip(1).bool()
    lengths = tail.sum(1, keepdim=True)
    return tail & (lengths >= _SHORTEST) & (last == last[lengths[:, 0].argmax()])
