"""A logarithm of a variance that can't be negative: a softplus or a ReLU stands before its exponential."""

from __future__ import annotations

from collections.abc import Sequence

from tb_lossdiag.collect.check_up.loss.tape import Operand, Operation, behind
from tb_lossdiag.collect.check_up.values import Value, part

_FEWEST = 16
_SAMPLED = 65_536
_FAR = 16
_NEAR = 0.1
"""Of a log variance: a deviation within a twentieth of one."""
_LITTLE = 0.01
"""What is added to keep a number above 0."""
_BOUNDED = ("softplus", "relu")
_ADDING = ("add", "sub", "rsub", "sum", "mean")


def floored_share(operations: Sequence[Operation]) -> Value | None:
    """Share of the numbers that lie at the floor, of the first that both stand in a loss and under an exponential; None without one."""
    for step in operations:
        if step.name == "exp" and step.operands:
            inner = _unscaled(step.operands[0])
            known = _bounded(inner) and not _foretold(step, operations)
            if known and (_stands(inner, operations) or _undone(step, operations)):
                return (part(inner.tensor, _SAMPLED) < _NEAR).float().mean()
    return None


def _bounded(inner: Operand) -> bool:
    made = inner.made_by
    if made is None or not inner.intact or inner.tensor.numel() < _FEWEST:
        return False
    return made.name in _BOUNDED or (made.name == "clamp" and made.numbers == (0.0,))


def _unscaled(operand: Operand) -> Operand:
    """Without a factor, a sign, a shape and the little above 0 that it was given."""
    for _ in range(_FAR):
        made = operand.made_by
        if made is None or len(made.operands) != 1 or not _passes(made):
            break
        operand = made.operands[0]
    return operand


def _passes(made: Operation) -> bool:
    little = made.name == "add" and all(abs(number) <= _LITTLE for number in made.numbers)
    return little or made.name in ("view", "neg", "mul", "div")


def _stands(inner: Operand, operations: Sequence[Operation]) -> bool:
    """Whether it is added or taken off by itself, as a log variance is in every likelihood and divergence."""
    return any(
        _unscaled(one).node == inner.node
        for step in operations
        if step.name in _ADDING
        for one in step.operands
    )


def _foretold(exponential: Operation, operations: Sequence[Operation]) -> bool:
    """Whether the exponential is an answer itself: a chance, whose rest is taken from 1, or what is compared with data."""
    sign = _sign(exponential.operands[0])
    for step in operations:
        if step.name not in (*_ADDING, "log1p"):
            continue
        for one in step.operands:
            if _unscaled(one).made_by is not exponential:
                continue
            others = [each for each in step.operands if each is not one]
            data = any(not each.grad and each.tensor.numel() > 1 for each in others)
            rest = step.name == "log1p" or (step.name == "rsub" and step.numbers[:1] == (1.0,))
            if data or (rest and sign < 0):
                return True
    return False


def _sign(operand: Operand) -> int:
    """Of the factors that a number was given."""
    sign = 1
    for _ in range(_FAR):
        made = operand.made_by
        if made is None or len(made.operands) != 1 or not _passes(made):
            break
        factors = made.name in ("mul", "div") and any(number < 0 for number in made.numbers)
        sign = -sign if made.name == "neg" or factors else sign
        operand = made.operands[0]
    return sign


def _undone(exponential: Operation, operations: Sequence[Operation]) -> bool:
    """Whether the logarithm is taken of it again, as distributions do that are given a deviation."""
    logs = [behind(step.operands[0]) for step in operations if step.name == "log" and step.operands]
    return any(exponential in steps for steps in logs)
