"""How much each element of a written-out loss counts: by masks and weights among its operations."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

from tb_lossdiag.collect.check_up.loss.tape import Operand, Operation
from tb_lossdiag.collect.check_up.values import wide

_MOST = 6
"""Different masks and weights of one loss."""
_SAME = 1e-5


def countings(operations: Iterable[Operation]) -> list[Tensor]:
    """What may say how much elements count: factors, masks that chose, and masks that filled in, as numbers that are never negative."""
    known: dict[tuple[int, int], Tensor] = {}
    for step in operations:
        for operand, left_out in _said(step):
            given = operand.tensor
            key = (given.data_ptr(), given.numel())
            if len(known) == _MOST:
                return list(known.values())
            if key not in known and given.numel() > 1 and operand.intact:
                w = wide(given.logical_not() if left_out else given)
                w = (
                    -w if bool((w <= 0).all()) else w
                )  # the sign of a loss may stand with its weights
                if bool((w >= 0).all()) and bool((w > 0).any()):
                    known[key] = w
    return list(known.values())


def _said(step: Operation) -> Iterator[tuple[Operand, bool]]:
    """Operands that no gradient flows to, and whether what they name is left out."""
    others = [operand for operand in step.operands if not operand.grad]
    if step.name == "mul":
        yield from ((operand, False) for operand in others)
    for operand in others if step.name in ("pick", "select", "fill", "where") else ():
        if operand.tensor.dtype is torch.bool:
            yield operand, step.name == "fill"


def fitted(w: Tensor, each: Tensor) -> Tensor | None:
    """Such numbers in the shape of the elements: as they stand, one for all of a row, or in another shape."""
    if w.device != each.device or each.dim() == 0 or each.numel() % w.numel():
        return None
    if w.numel() == each.numel():
        return w.reshape(each.shape)
    if w.dim() <= each.dim() and _stretches(w.shape, each.shape):
        return w.expand(each.shape)
    rows = w.dim() < each.dim() and w.shape == each.shape[: w.dim()]
    after = (*w.shape, *(1 for _ in each.shape[w.dim() :]))
    return w.reshape(after).expand(each.shape) if rows else None


def _stretches(one: torch.Size, other: torch.Size) -> bool:
    return all(a in (1, b) for a, b in zip(reversed(one), reversed(other), strict=False))


def sums(each: Tensor, w: Tensor, told: Tensor) -> Iterator[tuple[str, Tensor]]:
    """What elements come to in which these count so much, and how one says it.

    Args:
        each: the elements.
        w: what each counts.
        told: the same as it stands in the expression, one for all of a row perhaps.
    """
    whole = (each * w).sum()
    yield "mean", whole / w.sum()
    yield "sum", whole
    yield "average", whole / w.numel()
    if told.numel() != w.numel():
        yield "batchmean", whole / told.sum()
    if each.dim() > 1:
        rows = w.sum(-1)
        if bool((rows > 0).all()):
            yield "rows", ((each * w).sum(-1) / rows).mean()


def masking(w: Tensor) -> Tensor | None:
    """bool: which count, where all that do count the same."""
    top = float(w.max())
    mask = w > 0
    even = bool((w[mask] >= top * (1 - _SAME)).all())
    return mask if even and not bool(mask.all()) else None


def by_class(w: Tensor, target: Tensor, classes: int) -> Tensor | None:
    """float[classes]: what each class counts, where the weight of a row depends on its class and on nothing else; 1 for one that is not there."""
    flat, labels = w.reshape(-1), target.reshape(-1).long()
    if flat.numel() != labels.numel() or flat.numel() < 2 * classes:
        return None
    found = torch.ones(classes, device=w.device, dtype=w.dtype).scatter(0, labels, flat)
    apart = (found[labels] - flat).abs().max()
    return found if float(apart) <= _SAME * float(w.max()) else None


def whole_rows(mask: Tensor) -> Tensor | None:
    """bool[N]: which samples count, where a mask says the same of all that belongs to one."""
    rows = mask.reshape(len(mask), -1)
    return rows[:, 0] if bool((rows == rows[:, :1]).all()) else None
