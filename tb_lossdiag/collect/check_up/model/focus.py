"""How attention looks: how large its scores are, and how much of its weight it gives to single places."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from tb_lossdiag.collect.check_up.mode import FunctionCall
from tb_lossdiag.collect.check_up.values import Facts, is_real, rows, scattered, wide
from tb_lossdiag.quantities import ATTENTION_ENTROPY, ATTENTION_FOCUS, ATTENTION_SCORE

_FEWEST = 4
"""Places that can be seen; of fewer, much weight on one says nothing."""
_MASKED = -1e4
"""A lower score is none: it keeps a place out."""
_HEADS, _QUERIES, _PLACES = 8, 64, 8192
_ROWS = 512
_BATCHED = 3
"""Dimensions from which on a softmax over the last one may be attention's."""


def attention_facts(call: FunctionCall) -> Facts:
    """How large the scores of attention are and how its weights are spread; nothing where it is no attention."""
    scores = _of_softmax(call) if call.name == "softmax" else _of_attention(call)
    if scores is None or not is_real(scores) or not _FEWEST <= scores.shape[-1] <= _PLACES:
        return {}
    some = wide(rows(scores.detach().reshape(-1, scores.shape[-1]), _ROWS))
    seen = some > _MASKED
    return {
        ATTENTION_FOCUS: _one_sided(some, seen),
        ATTENTION_SCORE: some.masked_fill(~seen, 0.0).abs().max(),
        ATTENTION_ENTROPY: _spread(some[:, 1:], seen[:, 1:]),
    }


def _one_sided(scores: Tensor, seen: Tensor) -> Tensor:
    """Mean over queries of how one-sided their weights are: 0 for equal ones, 1 for a single one."""
    count = seen.sum(-1)
    weights = scores.masked_fill(~seen, -math.inf).softmax(-1)
    even = 1 / count
    one_sided = (weights.square().sum(-1) - even) / (1 - even)
    return torch.where(count >= _FEWEST, one_sided, math.nan).nanmean()


def _spread(scores: Tensor, seen: Tensor) -> Tensor:
    """Mean over queries of the entropy of their weights, over that of equal ones."""
    count = seen.sum(-1)
    weights = scores.masked_fill(~seen, -math.inf).softmax(-1)
    entropy = torch.special.entr(weights).sum(-1) / count.clamp_min(2).log()
    return torch.where(count >= _FEWEST, entropy, math.nan).nanmean()


def _of_softmax(call: FunctionCall) -> Tensor | None:
    """The scores that a softmax over the last dimension was given."""
    scores = _given(call, 0, "input")
    dim = _given(call, 1, "dim")
    if not isinstance(scores, Tensor) or not isinstance(dim, int) or scores.dim() < _BATCHED:
        return None
    return scores if dim % scores.dim() == scores.dim() - 1 else None


def _of_attention(call: FunctionCall) -> Tensor | None:
    """Scores of some heads and queries, as torch's own attention computes them."""
    query, key = _given(call, 0, "query"), _given(call, 1, "key")
    if not (is_real(query) and is_real(key)) or query.dim() < _BATCHED:
        return None
    length, width = query.shape[-2:]
    alike = query.shape[:-2] == key.shape[:-2]
    heads = _HEADS if alike else 1  # of grouped ones, the first belongs to the first
    places = scattered(length, _QUERIES, query.device)
    some = wide(query.detach().reshape(-1, length, width)[:heads, places])
    keys = wide(key.detach().reshape(-1, *key.shape[-2:])[:heads])
    scale = call.kwargs.get("scale")
    scores = some @ keys.transpose(-2, -1) * (width**-0.5 if scale is None else scale)
    return _masked(call, scores, places, query)


def _masked(call: FunctionCall, scores: Tensor, places: Tensor, query: Tensor) -> Tensor:
    mask = _given(call, 3, "attn_mask")
    length, width = query.shape[-2], scores.shape[-1]
    if call.kwargs.get("is_causal") or (len(call.args) > 5 and call.args[5]):  # noqa: PLR2004  (its place)
        mask = torch.ones(length, width, dtype=torch.bool, device=query.device).tril()
    if mask is None:
        return scores
    own = mask.detach().expand(*query.shape[:-2], length, width).reshape(-1, length, width)
    part = own[: len(scores), places]
    return scores.masked_fill(~part, -math.inf) if part.dtype is torch.bool else scores + part


def _given(call: FunctionCall, place: int, name: str) -> Any:
    return call.args[place] if len(call.args) > place else call.kwargs.get(name)
