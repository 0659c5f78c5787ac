"""A loss of what exceeds a bound: it is 0 exactly where every sample meets what was asked for, as a hinge is."""

from __future__ import annotations

from collections.abc import Iterable

from tb_lossdiag.collect.check_up.loss.tape import Operand, Operation

_FAR = 24
_TERMS = 2
_FROM_BOUND = ("add", "sub", "rsub")
_BETWEEN = ("view", "neg", "mul", "div")


def exceeds_bound(ends: Iterable[Operation | None]) -> bool:
    """Whether these losses are means or sums of what exceeds a bound, and of nothing else.

    Args:
        ends: the operations that made them; None where one isn't known.
    """
    known = list(ends)
    return bool(known) and all(each is not None and _is_excess(each, _FAR) for each in known)


def _is_excess(made: Operation, far: int) -> bool:
    """Whether all that reaches it with a gradient went through a `clamp` at 0 of a difference."""
    if not far:
        return False
    if _cuts_off(made):
        return _has_bound(made)
    trained = [operand for operand in made.operands if operand.grad]
    if not trained or not _keeps_zero(made, trained):
        return False
    return all(t.made_by is not None and _is_excess(t.made_by, far - 1) for t in trained)


def _keeps_zero(made: Operation, trained: list[Operand]) -> bool:
    """Whether its value is 0 where the excess is, and only there: a factor of its own might be 0."""
    if made.name == "add":
        return len(trained) == len(made.operands) == _TERMS
    if made.name == "mul":
        others = [operand for operand in made.operands if not operand.grad]
        return len(trained) == 1 and all(map(_counts, others)) and all(made.numbers)
    return made.name in ("mean", "sum", "view", "pow", "div") and len(trained) == 1


def _counts(factor: Operand) -> bool:
    """Whether it is a scale or a mask that counts something, and never turns a sign as an advantage does."""
    values = factor.tensor
    return factor.intact and bool((values >= 0).all()) and bool((values > 0).any())


def _cuts_off(made: Operation) -> bool:
    """Whether it is the larger one of a tensor and 0."""
    if made.name == "max" and len(made.operands) == _TERMS:
        return any(not each.grad and not bool(each.tensor.any()) for each in made.operands)
    return made.name == "relu" or (made.name == "clamp" and made.numbers == (0.0,))


def _has_bound(made: Operation) -> bool:
    """Whether something was taken off what is cut: a margin, or another sample's distance."""
    operand = next(each for each in made.operands if each.grad)
    for _ in range(_FAR):
        if operand.made_by is None or operand.made_by.name in _FROM_BOUND:
            break
        if operand.made_by.name not in _BETWEEN:
            return False
        operand = next(each for each in operand.made_by.operands if each.grad)
    return operand.made_by is not None
