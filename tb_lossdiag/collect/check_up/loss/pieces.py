"""The parts of a written-out loss: its operations, and what a tensor in it is a view, a sign or a clamp of."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from tb_lossdiag.collect.check_up.loss.counting import countings, fitted, masking, sums
from tb_lossdiag.collect.check_up.loss.tape import Operand, Operation, leading_to
from tb_lossdiag.collect.check_up.values import wide

_MOST = 48
"""Operations of one loss."""
_ROUNDING = {torch.float16: 2e-3, torch.bfloat16: 1e-2}
_EXACT = 2e-5
"""Relative difference of two orders of summation in single precision."""
_TINY = 1e-12
_SMALL = 1e-3
"""What is added before a logarithm to keep it finite."""


@dataclass(frozen=True)
class Reduced:
    """How a loss of elements became one number.

    Attributes:
        reduction: "mean", "sum", or "batchmean" for a sum over outputs and mean over samples.
        weight: what each element counts; None where all count the same.
        normalised: whether it was divided by the sum of that, as a mean of those that count is.
        by_row: whether it is the mean of such means of each row.
    """

    reduction: str
    weight: Tensor | None = None
    normalised: bool = True
    by_row: bool = False


class Expression:
    """What a single number was computed from, as far as the tape goes back.

    Attributes:
        value: the number.
        end: the operation that made it.
        operations: those that lead to it, the nearest first.
        names: theirs.
        numbers: the plain numbers in them.
    """

    def __init__(self, end: Operation) -> None:
        self.end = end
        self.value = float(end.result.tensor)
        self.operations = list(leading_to([end], _MOST))
        self.names = {operation.name for operation in self.operations}
        self.numbers = [n for operation in self.operations for n in operation.numbers]
        dtypes = {operation.result.tensor.dtype for operation in self.operations}
        self._slack = max(_ROUNDING.get(dtype, _EXACT) for dtype in dtypes)

    @property
    def usable(self) -> bool:
        """Whether equality with its value says anything."""
        return math.isfinite(self.value) and abs(self.value) > _TINY

    def equals(self, value: Tensor | float) -> bool:
        """Whether it is this number, but for rounding."""
        return abs(float(value) - self.value) <= self._slack * abs(self.value)

    def reduced(self, each: Tensor) -> Reduced | None:
        """How these elements became it; None if they did not."""
        each = wide(each)
        total = each.sum()
        if self.equals(total / each.numel()):
            return Reduced("mean")
        if self.equals(total):
            return Reduced("sum")
        batch = each.shape[0] if each.dim() else 1
        if self.equals(total / batch):
            return Reduced("batchmean")
        return self._counted(each)

    def evenly(self, each: Tensor) -> Reduced | None:
        """The same of elements of which all count that count at all."""
        how = self.reduced(each)
        if how is None or how.weight is None:
            return how
        return how if how.normalised and masking(how.weight) is not None else None

    def _counted(self, each: Tensor) -> Reduced | None:
        """The same where elements count differently."""
        for told in self.countings:
            w = fitted(told, each)
            if w is None:
                continue
            for how, value in sums(each, w, told):
                if self.equals(value):
                    said = how if how in ("sum", "batchmean") else "mean"
                    even = how == "mean" or (masking(w) is not None and self._by_count(each, w))
                    return Reduced(said, w, even, how == "rows")
        return None

    def _by_count(self, each: Tensor, w: Tensor) -> bool:
        """Whether it is the mean of those that count, however that was said."""
        mask = w > 0
        return self.equals(each[mask].sum() / mask.sum())

    @cached_property
    def countings(self) -> list[Tensor]:
        """Masks and weights in it."""
        return countings(self.operations)

    def named(self, *names: str) -> list[Operation]:
        """The operations of these names."""
        return [operation for operation in self.operations if operation.name in names]

    def pairs(self) -> Iterator[tuple[Operand, Operand]]:
        """What was multiplied with something that no gradient flows to: (this, the other)."""
        for product in self.named("mul", "product"):
            if len(product.operands) == 2:  # noqa: PLR2004
                one, other = product.operands
                if one.grad is not other.grad and one.intact and other.intact:
                    yield (one, other) if one.grad else (other, one)


def origin(operand: Operand, through: tuple[str, ...]) -> tuple[Operand, float]:
    """What it is after these operations were taken away, which have one tensor each, and the sign that they gave it."""
    sign = 1.0
    for _ in range(_MOST):
        made = operand.made_by
        if made is None or made.name not in through or len(made.operands) != 1:
            break
        if made.name == "add" and any(abs(number) > _SMALL for number in made.numbers):
            break
        if made.name == "mul" and made.numbers != (-1.0,):
            break
        sign = -sign if made.name in ("neg", "mul") else sign
        operand = made.operands[0]
    return operand, sign


SHAPED = ("view",)
SIGNED = ("view", "neg", "mul")
KEPT_FINITE = ("view", "clamp", "add")


@dataclass(frozen=True)
class Logarithm:
    """A tensor of logarithms of probabilities.

    Attributes:
        operand: the tensor.
        sign: -1 where it stands with the opposite sign in the expression.
        made: what made it: "log", "log_softmax", "log_sigmoid", or "sub" for x - logsumexp(x).
    """

    operand: Operand
    sign: float
    made: str


def logarithm(operand: Operand) -> Logarithm | None:
    """The logarithms that it consists of, if it does."""
    inner, sign = origin(operand, (*SIGNED, "clamp"))
    made = inner.made_by
    if made is None or not inner.intact:
        return None
    if made.name in ("log", "log_softmax", "log_sigmoid"):
        return Logarithm(inner, sign, made.name)
    if made.name == "sub" and len(made.operands) == 2 and _normaliser(made.operands[1]):  # noqa: PLR2004
        return Logarithm(inner, sign, "sub")
    return None


def _normaliser(operand: Operand) -> bool:
    inner, _ = origin(operand, SHAPED)
    return inner.made_by is not None and inner.made_by.name in ("logsumexp", "log")
