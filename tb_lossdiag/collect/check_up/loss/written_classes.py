"""Cross-entropies that were written with plain operations: of class indices or probabilities, smoothed, or focal."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

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
        for options, reduction in _kinds(loss, rows):
            return _scores(rows, options, reduction) or _probabilities(rows, options, reduction)
    return _of_picked_scores(loss)


def _of_picked_scores(loss: Expression) -> Written | None:
    """Log Σ exp x less the right x: the score was picked, and no logarithm of a probability was ever made."""
    if not loss.names & {"logsumexp", "exp"}:
        return None
    for step in loss.named("gather", "pick"):
        if not step.operands or not step.operands[0].grad or not step.operands[0].intact:
            continue
        x = step.operands[0].tensor
        for dim, target in _picked(step, x):
            each = -wide(x).log_softmax(dim).gather(dim, target.unsqueeze(dim)).squeeze(dim)
            how = loss.reduced(each)
            if how is not None:
                operand = _classes_second(_unshifted(step.operands[0]), dim)
                return Written("cross_entropy", operand, target, how.reduction)
    return None


def _unshifted(operand: Operand) -> Operand:
    """Scores before their largest was taken away, which changes no softmax."""
    made = origin(operand, SHAPED)[0].made_by
    if made is None or made.name != "sub" or len(made.operands) != 2:  # noqa: PLR2004
        return operand
    scores, largest = made.operands
    rows = largest.tensor.numel() == scores.tensor.numel() // scores.tensor.shape[-1]
    return scores if rows and scores.intact else operand


def _products(loss: Expression) -> Iterator[_Rows]:
    """Logarithms that were multiplied with rows that sum to 1."""
    for weighted, other in loss.pairs():
        log, y = logarithm(weighted), wide(other.tensor)
        if log is None or log.operand.tensor.shape != y.shape or y.dim() == 0:
            continue
        y = -y if float(y.max()) <= 0 else y
        dims = [
            d for d in (1, y.dim() - 1) if d < y.dim() and y.shape[d] > 1 and _distributed(y, d)
        ]
        for dim in dict.fromkeys(dims):
            yield _Rows(log, dim, y, -(y * wide(log.operand.tensor)).sum(dim))


def _distributed(y: Tensor, dim: int) -> bool:
    return float(y.min()) >= 0 and float((y.sum(dim) - 1).abs().max()) <= _SUM_ERROR


def _picks(loss: Expression) -> Iterator[_Rows]:
    """Logarithms of which one per row was picked, or probabilities whose logarithm was taken then."""
    for step in loss.named("gather", "pick"):
        log = _logarithm_at(loss, step) if step.operands else None
        if log is None:
            continue
        scores = log.operand.tensor
        for dim, target in _picked(step, scores):
            each = -wide(scores).gather(dim, target.unsqueeze(dim)).squeeze(dim)
            yield _Rows(log, dim, target, each)


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


def _picked(step: Operation, scores: Tensor) -> Iterator[tuple[int, Tensor]]:
    """The dimension of classes and the class of each row, where that is what was picked."""
    index = step.operands[-1].tensor if len(step.operands) > 1 else None
    if index is None or index.is_floating_point() or index.dtype is torch.bool:
        return
    dim = _picked_from(step, scores)
    target = None if dim is None else _without(index, scores, dim)
    if dim is None or target is None:
        return
    if int(target.min()) >= 0 and int(target.max()) < scores.shape[dim]:
        yield dim, target


def _picked_from(step: Operation, scores: Tensor) -> int | None:
    """The dimension of classes."""
    if step.name == "pick":
        return 1 if scores.dim() == 2 else None  # noqa: PLR2004
    dim = int(step.numbers[0]) % scores.dim() if step.numbers else scores.dim() - 1
    return dim if dim in (1, scores.dim() - 1) else None


def _without(index: Tensor, scores: Tensor, dim: int) -> Tensor | None:
    """The index without the dimension of classes; None where it is not one per row."""
    shape = [size for d, size in enumerate(scores.shape) if d != dim]
    fits = index.numel() == scores.numel() // scores.shape[dim]
    return index.reshape(shape) if fits else None


def _kinds(loss: Expression, rows: _Rows) -> Iterator[tuple[dict[str, Any], str]]:
    """Which cross-entropy these rows make, if any: plain, smoothed, focal."""
    how = loss.reduced(rows.each)
    if how is not None:
        yield {}, how.reduction
        return
    smoothing = _smoothing(loss, rows)
    if smoothing is not None:
        yield {"label_smoothing": smoothing}, "mean"
        return
    for power in (n for step in loss.named("pow") for n in step.numbers):
        focal = loss.reduced((1 - (-rows.each).exp()) ** power * rows.each)
        if focal is not None:
            # No constant is its baseline, as with weights.
            yield {"weight": power}, focal.reduction


def _smoothing(loss: Expression, rows: _Rows) -> float | None:
    """The share of the uniform target, which must stand in the expression as a number."""
    plain = float(rows.each.mean())
    even = -float(wide(rows.log.operand.tensor).mean())
    if even == plain:
        return None
    share = (loss.value - plain) / (even - plain)
    known = any(abs(n - share) < _SAME or abs(1 - n - share) < _SAME for n in loss.numbers)
    return share if known and _SAME < share < 1 - _SAME else None


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
        ratio = origin(operand, ("view", "clamp"))[0].made_by
        power = None if ratio is None or ratio.name != "div" else ratio.operands[0].made_by
        if power is None or power.name != "exp":
            return
        operand = power.operands[0]
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
    return -predicted.gather(1, target.unsqueeze(1)).squeeze(1)
