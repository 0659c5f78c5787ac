"""Whether pictures whose channels come last were given another shape instead of another order: their channels lie in turn along a row."""

from __future__ import annotations

import torch
from torch import Tensor

from tb_lossdiag.collect.check_up.values import Facts, wide
from tb_lossdiag.quantities import INPUT_INTERLEAVED

_PICTURES = 4
"""Dimensions of a batch of them."""
_COLOURS = (3, 4)
"""Channels; more are no colours, and what is measured may have a period as long as they are many."""
_SMALLEST = 64
"""Pixels."""
_LOOKED_AT = 2**18
"""Numbers that are looked at; of more pictures some are left out."""


def interleaved_facts(given: Tensor) -> Facts:
    """How much more alike numbers are that lie as far apart as there are channels than those that lie nearer; nothing without pictures.

    Args:
        given: real: the first tensor among a model's arguments.
    """
    if given.dim() != _PICTURES:
        return {}
    channels, pixels = given.shape[1], given.shape[2] * given.shape[3]
    if channels not in _COLOURS or pixels < _SMALLEST:
        return {}
    count = max(_LOOKED_AT // (channels * pixels), 1)
    rows = wide(given.detach()[:count]).reshape(-1, channels, pixels)
    rows = rows - rows.mean(2, keepdim=True)
    return {INPUT_INTERLEAVED: _ahead(rows, channels)}


def _ahead(rows: Tensor, channels: int) -> Tensor:
    """Of numbers one and two turns apart, the fewer that these are more alike than any within a turn, or than channels at one place."""
    size = rows.square().mean()
    lags = [(rows[:, :, k:] * rows[:, :, :-k]).mean() / size for k in range(1, 2 * channels + 1)]
    once, twice = lags[: channels - 1], lags[channels : 2 * channels - 1]
    across = (rows * rows.roll(1, 1)).mean() / size
    first = lags[channels - 1] - torch.stack([*once, across]).max()
    return torch.minimum(first, lags[-1] - torch.stack(twice).max())
