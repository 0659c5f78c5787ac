"""Cross-entropies that were written with plain operations: of class indices or probabilities, smoothed, or focal."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from tb_lossdiag.collect.check_up.loss.itself import spares_itself
from tb_lossdiag.collect.check_up.loss.labelled import kinds, picked
from tb_lossdiag.collect.check_up.loss.pieces import (
    SHAPED,
    Expression,
    Logarithm,
    logarithm,
    origin,
)
from tb_lossdiag.collect.check_up.loss.tape import Operand, Operation
from tb_lossdiag.collect.check_up.loss.written import Written
from tb_lossdiag.collect.check_up.values import wide

_SUM_ERROR = 1e-3
"""Of a row of target probabilities."""
_SAME = 1e-4


@dataclass(frozen=True)
class _Rows:
    """Logarithms of probabilities beside what they are compared with.

    Attributes:
        log: the logarithms.
        dim: their dimension of classes.
        target: class indices without that dimension, or probabilities of their shape.
        each: real[...]: the loss of each row.
    """

    log: Logarithm
    dim: int
    target: Tensor
    each: Tensor


def cross_entropy(loss: Expression) -> Written | None:
    """-Σ y log p, or -log p of the right class; softmax may be part of it."""
    for rows in (*_products(loss), *_picks(loss)):
        for options, how in kinds(loss, rows.each, rows.target, rows.log.operand.tensor):
            found = _scores(rows, options, how.reduction)
            found = found or _probabilities(rows, options, how.reduction)
            return found.counted(how)
    return None


def _products(loss: Expression) -> Iterator[_Rows]:
    """Logarithms that were multiplied with rows that sum to 1."""
    for weighted, other in loss.pairs():
        log, y = logarithm(weighted), wide(other.tensor)
        if log is None or log.operand.tensor.numel() != y.numel() or y.dim() == 0:
            continue
        if log.made == "sub" and spares_itself(loss, log.operand.tensor):
            continue  # its rows sum to 1 without the sample itself
        y = (-y if float(y.max()) <= 0 else y).reshape(log.operand.tensor.shape)
        dims = [
            d for d in (1, y.dim() - 1) if d < y.dim() and y.shape[d] > 1 and _distributed(y, d)
        ]
        for dim in dict.fromkeys(dims):
            yield _Rows(log, dim, y, -(y * wide(log.operand.tensor)).sum(dim))


def _distributed(y: Tensor, dim: int) -> bool:
    return float(y.min()) >= 0 and float((y.sum(dim) - 1).abs().max()) <= _SUM_ERROR


def _picks(loss: Expression) -> Iterator[_Rows]:
    """Logarithms of which one per row was picked, or probabilities whose logarithm was taken then."""
    for step in loss.named("gather", "pick", "select", "diagonal"):
        log = _logarithm_at(loss, step) if step.operands else None
        if log is None:
            continue
        scores = log.operand.tensor
        for dim, target in picked(step, scores):
            if step.name == "diagonal" and not _normal(scores, dim):
                continue
            each = -wide(scores).gather(dim, target.unsqueeze(dim)).squeeze(dim)
            yield _Rows(log, dim, target, each)


def _normal(logs: Tensor, dim: int) -> bool:
    """Whether they are logarithms of what sums to 1 there: a diagonal does not say along what it was picked."""
    return float((wide(logs).exp().sum(dim) - 1).abs().max()) <= _SUM_ERROR


def _logarithm_at(loss: Expression, step: Operation) -> Logarithm | None:
    """What was picked from, as logarithms."""
    operand = step.operands[0]
    if (log := logarithm(operand)) is not None or "log" not in loss.names or not operand.intact:
        return log
    p = operand.tensor
    if not p.is_floating_point() or float(p.min()) < 0 or float(p.max()) > 1 + _SUM_ERROR:
        return None
    made = replace(step, name="log", operands=(operand,), numbers=())
    logs = replace(operand, tensor=p.log(), version=0, leaf=False, made_by=made)
    return Logarithm(logs, 1.0, "log")


def _scores(rows: _Rows, options: dict[str, Any], reduction: str) -> Written | None:
    """As a loss of raw scores, where the softmax was part of the expression."""
    found = None
    for candidate in _before_softmax(rows.log):
        x = candidate.tensor
        if not candidate.intact or x.shape != rows.log.operand.tensor.shape:
            continue
        difference = wide(x).log_softmax(rows.dim) - wide(rows.log.operand.tensor)
        if float(difference.abs().max()) <= _SAME * max(1.0, float(x.abs().max())):
            found = candidate
    if found is None:
        return None
    return _written("cross_entropy", found, rows, options, reduction)


def _before_softmax(log: Logarithm) -> Iterator[Operand]:
    """What it may be the log-softmax of; shifted scores before those that were shifted."""
    made = log.operand.made_by
    if made is None or not made.operands:
        return
    operand = made.operands[0]
    if log.made == "log":
        normal = origin(operand, ("view", "clamp", "add"))[0].made_by
        if normal is not None and normal.name == "div":
            normal = normal.operands[0].made_by
        if normal is None or normal.name not in ("exp", "softmax"):
            return
        operand = normal.operands[0]
    yield operand
    inner, _ = origin(operand, SHAPED)
    if inner.made_by is not None and inner.made_by.name == "sub":
        yield inner.made_by.operands[0]


def _probabilities(rows: _Rows, options: dict[str, Any], reduction: str) -> Written:
    return _written("nll_loss", rows.log.operand, rows, options, reduction)


def _written(
    name: str, operand: Operand, rows: _Rows, options: dict[str, Any], reduction: str
) -> Written:
    moved = _classes_second(operand, rows.dim)
    target = rows.target
    if target.is_floating_point() and target.dim() > 1:
        target = target.movedim(rows.dim, 1)
    by_hand = _likelihood if name == "nll_loss" else None
    return Written(name, moved, target, reduction, options, by_hand)


def _classes_second(operand: Operand, dim: int) -> Operand:
    if operand.tensor.dim() < 2 or dim == 1:  # noqa: PLR2004
        return operand
    moved = operand.tensor.movedim(dim, 1)
    return Operand(moved, moved._version, operand.grad, operand.leaf, operand.node, operand.made_by)  # noqa: SLF001


def _likelihood(predicted: Tensor, target: Tensor, **_: Any) -> Tensor:
    """`nll_loss` of each row, for target probabilities as well, which torch's does not take."""
    if target.is_floating_point():
        return -(target * predicted).sum(1)
    counts = target >= 0
    each = -predicted.gather(1, target.clamp_min(0).unsqueeze(1)).squeeze(1)
    return torch.where(counts, each, torch.zeros_like(each))
