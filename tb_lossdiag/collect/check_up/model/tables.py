"""Tokens that a table tells apart from no others: rows of a table that nobody trains, which are the same."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tb_lossdiag.collect.check_up.values import scattered, wide
from tb_lossdiag.collect.state.asking import parameters_in

_KINDS, _WIDTH = 4096, 256
"""Different tokens of a batch, and numbers of a row, that are looked at."""
_ALIKE = 1e-3
"""Difference of two rows over their size: the noise that rows of the table's mean are given is 1e-4 and less."""
_SEQUENCE = 2
_EDGE = 2
"""Places at an end of a row that are the same: padding."""


def alike_share(table: nn.Embedding, ids: Tensor, caller: nn.Module | None) -> Tensor | None:
    """Share of the tokens that are read, padding left out, whose row is that of another one of them.

    None where the table is trained, by itself or by what calls it (an adapter's part has as many columns as the table has rows).

    Args:
        table: a table.
        ids: what it is asked for, whole[N, T].
        caller: the module that asks.
    """
    if table.weight.requires_grad or ids.dim() != _SEQUENCE or not ids.numel():
        return None
    if caller is not None and any(
        p.requires_grad and table.num_embeddings in p.shape for p in parameters_in(caller)
    ):
        return None
    read = ids[_text(ids)]
    kinds, where = read.unique(return_inverse=True)
    if not 1 < len(kinds) <= _KINDS:
        return None
    places = scattered(table.embedding_dim, _WIDTH, table.weight.device)
    rows = wide(table.weight.detach()[kinds.to(table.weight.device)][:, places])
    return _alike(rows).to(where.device)[where].float().mean()


def _text(ids: Tensor) -> Tensor:
    """bool[N, T]: all but constant ends of a row."""
    text = torch.ones_like(ids, dtype=torch.bool)
    for turned in (False, True):
        rows = ids.flip(1) if turned else ids
        same = (rows == rows[:, :1]).cummin(1).values if rows.shape[1] else rows.bool()
        edge = same & (same.sum(1, keepdim=True) >= _EDGE)
        text &= ~(edge.flip(1) if turned else edge)
    return text


def _alike(rows: Tensor) -> Tensor:
    """bool[K]: which of these rows are another one's; along a line through them equal ones are neighbours."""
    line = torch.cos(torch.arange(rows.shape[1], device=rows.device, dtype=rows.dtype) * 2.4)
    order = (rows @ line).argsort()
    near = rows[order]
    apart = (near[1:] - near[:-1]).norm(dim=1)
    size = rows.norm(dim=1).median()
    same = apart < _ALIKE * size
    found = torch.zeros(len(rows), dtype=torch.bool, device=rows.device)
    found[order[1:]] |= same
    found[order[:-1]] |= same
    return found
