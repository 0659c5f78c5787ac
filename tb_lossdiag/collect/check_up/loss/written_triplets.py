"""Losses of three samples, and of angles, that were written with plain operations."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from torch import Tensor
from torch.nn import functional

from tb_lossdiag.collect.check_up.loss.pieces import Expression
from tb_lossdiag.collect.check_up.loss.tape import Operand
from tb_lossdiag.collect.check_up.loss.written import BY_HAND, Written
from tb_lossdiag.collect.check_up.values import wide

_FEW = 4
"""Different pairs and margins that are tried."""
_LARGEST = 100.0
_TORCH_EPS = 1e-6
_EPS = 1e-8
_MATRIX = 2


class _Pair(NamedTuple):
    """Two samples' numbers, and how far they are apart."""

    one: Operand
    other: Operand
    apart: Tensor


def triplet(loss: Expression) -> Written | None:
    """What a sample is farther from its like than from another, and a margin, where that is above 0."""
    if not loss.names & {"relu", "clamp", "max"}:
        return None
    pairs = list(_pairs(loss))[:_FEW]
    margins = list(dict.fromkeys(abs(n) for n in loss.numbers if 0 < abs(n) < _LARGEST))[:_FEW]
    for near in pairs:
        for far in (p for p in pairs if p is not near and p.apart.shape == near.apart.shape):
            for margin in margins:
                for each in _excess(near.apart, far.apart, margin):
                    if (how := loss.reduced(each)) is not None and how.weight is None:
                        options = {"margin": margin}
                        return Written(
                            "triplet_margin_loss", near.one, None, how.reduction, options
                        )
    return None


def _excess(near: Tensor, far: Tensor, margin: float) -> Iterator[Tensor]:
    yield functional.relu(near - far + margin)
    yield functional.relu(near.sqrt() - far.sqrt() + margin)


def _pairs(loss: Expression) -> Iterator[_Pair]:
    """Of which both are trained: squares of their distances."""
    for step in loss.named("sub", "distance"):
        if len(step.operands) != 2 or step.result.tensor.dim() < 1:  # noqa: PLR2004
            continue
        one, other = step.operands
        if not (one.grad and other.grad and one.intact and other.intact):
            continue
        a, b = wide(one.tensor), wide(other.tensor)
        if a.shape == b.shape and a.dim() >= _MATRIX:
            eps = _TORCH_EPS if step.name == "distance" else 0.0
            yield _Pair(one, other, (a - b + eps).square().sum(-1))


def cosine(loss: Expression) -> Written | None:
    """One less the cosine of what is said and what is asked for."""
    for step in loss.named("cosine"):
        if len(step.operands) != 2:  # noqa: PLR2004
            continue
        one, other = step.operands
        predicted, target = (one, other) if one.grad else (other, one)
        if target.grad or not (one.intact and other.intact):
            continue
        for each in (1 - wide(step.result.tensor), -wide(step.result.tensor)):
            how = loss.evenly(each)
            if how is not None and how.weight is None:
                options = {"weight": BY_HAND}  # no constant is its baseline
                return Written("cosine_loss", predicted, target.tensor, how.reduction, options)
    return None
