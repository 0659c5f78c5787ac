"""Which weight matrices have rows that are copies of each other."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from tb_lossdiag.collect.check_up.values import is_real, rows, wide
from tb_lossdiag.collect.state.measurement import Measurement
from tb_lossdiag.collect.watch.updates import each
from tb_lossdiag.quantities import TWIN_SHARE

_ROWS, _ELEMENTS = 32, 64
_FEWEST = 3
"""Rows; two may be each other's copy by design, as a difference is made of."""
_EQUAL = 1e-3
"""Of the root mean square, between the elements of two rows that differ most; rounding makes 1e-6, a few steps of one's own more than this."""


def twins(names: tuple[str, ...], tensors: Sequence[Tensor]) -> Measurement | None:
    """`TWIN_SHARE` of the trainable weight matrices; None without any."""
    where = [place for place, tensor in enumerate(tensors) if _has_rows(tensor)]
    if not where:
        return None
    with torch.no_grad():
        shares = [_share(tensors[place].detach()) for place in where]
        return each(TWIN_SHARE, names, where, torch.stack([s.to(shares[0].device) for s in shares]))


def _has_rows(tensor: Tensor) -> bool:
    if not (tensor.requires_grad and is_real(tensor) and tensor.dim() > 1):
        return False
    return tensor.shape[0] >= _FEWEST and tensor[0].numel() > 1


def _share(matrix: Tensor) -> Tensor:
    """float[]: share of the rows with a twin; NaN where all are 0."""
    some = wide(rows(rows(matrix, _ROWS).flatten(1), _ELEMENTS, dim=1))
    apart = (some[:, None] - some[None]).abs().amax(-1)
    apart.fill_diagonal_(torch.inf)
    size = some.square().mean().sqrt()
    share = (apart.amin(-1) <= _EQUAL * size).float().mean()
    return torch.where(size > 0, share, torch.nan)
