"""A softmax whose result is normalised once more, on the way to the loss."""

from __future__ import annotations

from collections.abc import Iterable

from tb_lossdiag.collect.check_up.loss.pieces import origin
from tb_lossdiag.collect.check_up.loss.tape import Operation

_NORMALISERS = ("softmax", "log_softmax", "logsumexp")
"""`torch.distributions.Categorical(logits=…)` takes off the logsumexp."""


def softmax_of_softmax(operations: Iterable[Operation]) -> int:
    """Classes of a softmax that is taken of the result of another, over the same dimension; 0 without one."""
    return next(filter(None, map(_twice, operations)), 0)


def _twice(made: Operation) -> int:
    if made.name not in _NORMALISERS or not made.operands:
        return 0
    inner, sign = origin(made.operands[0], ("view", "clamp"))
    first, given = inner.made_by, made.operands[0].tensor
    if first is None or first.name != "softmax" or sign < 0 or inner.tensor.shape != given.shape:
        return 0
    dim = _dimension(made, given.dim())
    same = dim is not None and dim == _dimension(first, given.dim())
    return given.shape[dim] if same and dim is not None and given.shape[dim] > 1 else 0


def _dimension(made: Operation, dims: int) -> int | None:
    return int(made.numbers[0]) % dims if made.numbers and dims else None
