"""Weights of a choice that are 1 whatever their scores are: one number, divided by the sum of itself alone, or a softmax over it."""

from __future__ import annotations

from torch import Tensor

from tb_lossdiag.collect.check_up.loss.pieces import SHAPED, origin
from tb_lossdiag.collect.check_up.loss.tape import Operand, Operation

_KEPT_FINITE = ("view", "clamp", "add")
_FEWEST = 2
"""Weights; a single one says nothing."""


def weights_of_one(made: Operation) -> int:
    """Numbers of an operation that makes only ones of what can learn; 0 of another one."""
    return made.result.tensor.numel() if _makes_ones(made) else 0


def by_own_sum(x: Tensor, divisor: Operand) -> bool:
    """Whether these numbers are divided by sums of one number each, their own."""
    if x.numel() < _FEWEST or divisor.tensor.numel() != x.numel() or not divisor.grad:
        return False
    summed = origin(divisor, _KEPT_FINITE)[0].made_by
    if summed is None or summed.name != "sum" or not summed.operands:
        return False
    own = summed.operands[0].tensor
    return own.numel() == x.numel() and own.data_ptr() == x.data_ptr()


def _makes_ones(made: Operation) -> bool:
    if made.name == "div" and len(made.operands) == 2:  # noqa: PLR2004
        x, divisor = made.operands
        return x.grad and by_own_sum(x.tensor, divisor)
    return made.name == "softmax" and _of_one_choice(made)


def _of_one_choice(made: Operation) -> bool:
    """Whether a softmax is taken over one number that was chosen among more; attention may have one key alone."""
    if not made.operands or not made.numbers or made.result.tensor.numel() < _FEWEST:
        return False
    given = made.operands[0]
    chosen = origin(given, SHAPED)[0].made_by
    alone = given.tensor.dim() > 0 and given.tensor.shape[int(made.numbers[0])] == 1
    return alone and chosen is not None and chosen.name == "topk"
