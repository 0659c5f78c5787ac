"""Cross-entropies that show their scores alone: whatever was written between scores and loss, the value says what it is."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from tb_lossdiag.collect.check_up.loss.itself import spares_itself, without_itself
from tb_lossdiag.collect.check_up.loss.labelled import kinds, one_of_each, own_place, picked
from tb_lossdiag.collect.check_up.loss.pieces import SHAPED, Expression, origin
from tb_lossdiag.collect.check_up.loss.tape import Operand
from tb_lossdiag.collect.check_up.loss.written import Written
from tb_lossdiag.collect.check_up.values import wide

_NORMALISED = ("log_softmax", "softmax", "logsumexp", "exp")
_FEW = 3
"""Different scores, and different picks, that are tried."""


def cross_entropy_of_scores(loss: Expression) -> Written | None:
    """Log Σ exp x less the right x: of classes, or of all samples of a batch against all."""
    for operand in _scores(loss):
        for x, dim, target in (*_classes(loss, operand.tensor), *_others(loss, operand.tensor)):
            logs = wide(x).log_softmax(dim)
            each = _each(logs, dim, target)
            for options, how in kinds(loss, each, target, logs):
                scores = operand.alike(x if x.dim() < 2 or dim == 1 else x.movedim(dim, 1))  # noqa: PLR2004
                found = Written("cross_entropy", scores, target, how.reduction, options)
                return found.counted(how)
    return None


def _each(logs: Tensor, dim: int, target: Tensor) -> Tensor:
    """What each row costs."""
    if target.is_floating_point():
        return -(target * logs).sum(dim)
    return -logs.gather(dim, target.unsqueeze(dim)).squeeze(dim)


def _scores(loss: Expression) -> list[Operand]:
    """What was exponentiated and may be scores, the nearest to the loss first."""
    known: dict[int, Operand] = {}
    for step in loss.named(*_NORMALISED):
        operand = _unshifted(step.operands[0]) if step.operands else None
        if operand is not None and operand.grad and operand.intact and operand.tensor.dim() > 1:
            known.setdefault(operand.tensor.data_ptr(), operand)
    return list(known.values())[:_FEW]


def _unshifted(operand: Operand) -> Operand:
    """Scores before their largest was taken away, which changes no softmax."""
    made = origin(operand, SHAPED)[0].made_by
    if made is None or made.name != "sub" or len(made.operands) != 2:  # noqa: PLR2004
        return operand
    scores, largest = made.operands
    rows = largest.tensor.numel() == scores.tensor.numel() // scores.tensor.shape[-1]
    return scores if rows and scores.intact else operand


def _classes(loss: Expression, x: Tensor) -> Iterator[tuple[Tensor, int, Tensor]]:
    """The class that each row was asked for: by an index, or by the one of a row that is marked."""
    for step in loss.named("gather", "pick", "select", "diagonal")[:_FEW]:
        source = step.operands[0] if step.operands else None
        if source is not None and source.grad and source.tensor.numel() == x.numel():
            shaped = x.reshape(source.tensor.shape)
            yield from ((shaped, dim, target) for dim, target in picked(step, shaped))
    for other in _untrained(loss, x.numel()):
        yield from ((x, dim, target) for dim, target in one_of_each(other, x))


def _untrained(loss: Expression, size: int) -> Iterator[Tensor]:
    """So large tensors that no gradient flows to, which something was multiplied or filled with."""
    steps = loss.named("mul", "product", "fill", "where")
    others = (other for step in steps for other in step.operands if not other.grad)
    yield from (other.tensor for other in others if other.intact and other.tensor.numel() == size)


def _others(loss: Expression, x: Tensor) -> Iterator[tuple[Tensor, int, Tensor]]:
    """All samples against all: each is asked for its own pair, and never for itself where two views of one stand below each other."""
    if x.dim() != 2 or x.shape[0] != x.shape[1] or len(x) < 4:  # noqa: PLR2004
        return
    if spares_itself(loss, x):
        others = without_itself(x)
        if len(x) % 2 == 0:
            own = torch.arange(len(x), device=x.device)
            pair = (own + len(x) // 2) % len(x)
            yield others, 1, pair - (pair > own).long()
        for asked in _untrained(loss, x.numel()):
            if asked.shape == x.shape and bool((asked >= 0).all()):
                y = wide(without_itself(asked))
                if bool((y.sum(1) > 0).all()):
                    yield others, 1, y / y.sum(1, keepdim=True)
    for dim, target in own_place(x):
        yield x, dim, target
