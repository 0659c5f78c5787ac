"""Which class of each row a written-out loss asks for, and what kind of cross-entropy its rows make."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from tb_lossdiag.collect.check_up.loss.counting import by_class, masking
from tb_lossdiag.collect.check_up.loss.pieces import Expression, Reduced
from tb_lossdiag.collect.check_up.loss.tape import Operation
from tb_lossdiag.collect.check_up.loss.written import BY_HAND
from tb_lossdiag.collect.check_up.values import wide

_SAME = 1e-4
_SUM_ERROR = 1e-3
_POWERS = 4
_CLASSES = 2**13
"""Weights are read by class up to so many."""


def picked(step: Operation, scores: Tensor) -> Iterator[tuple[int, Tensor]]:
    """The dimension of classes and the class of each row, where that is what was picked."""
    if step.name == "diagonal":
        yield from own_place(scores) if not any(step.numbers) else ()
        return
    if step.name == "pick" and len(step.operands) == 1:
        yield from _column(step, scores)
        return
    index = step.operands[-1].tensor if len(step.operands) > 1 else None
    if index is None or index.is_floating_point():
        return
    if index.dtype is torch.bool:
        yield from one_of_each(index, scores)
        return
    dim = _picked_from(step, scores)
    target = None if dim is None else _without(index, scores, dim)
    if dim is None or target is None:
        return
    if int(target.min()) >= 0 and int(target.max()) < scores.shape[dim]:
        yield dim, target


def _column(step: Operation, scores: Tensor) -> Iterator[tuple[int, Tensor]]:
    """The same class of all rows, as where the right one was put before all others."""
    rows = scores.shape[:1]
    if scores.dim() == 2 and len(step.numbers) == 1 and step.result.tensor.shape == rows:  # noqa: PLR2004
        column = int(step.numbers[0]) % scores.shape[1]
        yield 1, torch.full(rows, column, device=scores.device)


def own_place(scores: Tensor) -> Iterator[tuple[int, Tensor]]:
    """Each row's own number, of scores of all against all: along rows and along columns."""
    if scores.dim() == 2 and scores.shape[0] == scores.shape[1] > 1:  # noqa: PLR2004
        for dim in (1, 0):
            yield dim, torch.arange(len(scores), device=scores.device)


def one_of_each(chosen: Tensor, scores: Tensor) -> Iterator[tuple[int, Tensor]]:
    """The class of each row, where exactly one of each is marked by what is not 0."""
    if chosen.numel() != scores.numel() or scores.dim() < 2:  # noqa: PLR2004
        return
    marked = chosen.reshape(scores.shape) != 0
    for dim in dict.fromkeys((1, scores.dim() - 1)):
        if scores.shape[dim] > 1 and bool((marked.sum(dim) == 1).all()):
            yield dim, marked.int().argmax(dim)


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


def kinds(
    loss: Expression, each: Tensor, target: Tensor, logs: Tensor
) -> Iterator[tuple[dict[str, Any], Reduced]]:
    """Which cross-entropy these rows make, if any: plain, weighted by class, smoothed, focal.

    Args:
        loss: the expression.
        each: real[...]: the loss of each row.
        target: class indices, or probabilities.
        logs: of all probabilities.
    """
    how = loss.reduced(each)
    if how is not None and (options := _by_class(how, each, target, logs)) is not None:
        of_classes = isinstance(options.get("weight"), Tensor)
        yield options, replace(how, weight=None) if of_classes else how
        return
    smoothing = _smoothing(loss, each, logs)
    if smoothing is not None:
        yield {"label_smoothing": smoothing}, Reduced("mean")
        return
    for power in dict.fromkeys([n for s in loss.named("pow") for n in s.numbers][:_POWERS]):
        for price in (1.0, *[n for n in map(abs, loss.numbers) if 0 < n < 1][:_POWERS]):
            focal = loss.evenly(price * (1 - (-each).exp()) ** power * each)
            if focal is not None:
                # No constant is its baseline, as with weights.
                yield {"weight": power}, focal


def _by_class(how: Reduced, each: Tensor, target: Tensor, logs: Tensor) -> dict[str, Any] | None:
    """What torch's function would be given, where rows count as their classes do or not at all; None where a policy's advantages may weigh them."""
    if how.weight is None:
        return {}
    masked = masking(how.weight) is not None
    if masked and how.by_row:
        return {"weight": BY_HAND}
    if masked or not how.normalised:
        return {} if how.normalised else None
    classes = logs.numel() // max(each.numel(), 1)
    if target.is_floating_point() or classes > _CLASSES:
        return None
    weights = by_class(how.weight, target, classes)
    return None if weights is None else {"weight": weights}


def _smoothing(loss: Expression, each: Tensor, logs: Tensor) -> float | None:
    """The share of the uniform target, which must stand in the expression as a number."""
    plain, even = float(each.mean()), -float(wide(logs).mean())
    if even == plain:
        return None
    share = (loss.value - plain) / (even - plain)
    known = any(abs(n - share) < _SAME or abs(1 - n - share) < _SAME for n in loss.numbers)
    return share if known and _SAME < share < 1 - _SAME else None
