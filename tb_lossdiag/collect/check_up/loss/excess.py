"""A loss of what exceeds a bound: it is 0 exactly where every sample meets what was asked for, as a hinge is."""

from __future__ import annotations

from collections.abc import Iterable

from tb_lossdiag.collect.check_up.loss.tape import Operand, Operation

_FAR = 24
_TERMS = 2
_FROM_BOUND = ("add", "sub", "rsub")
_LENGTHS = ("abs", "norm", "pow", "sqrt")
_BETWEEN = ("view", "neg", "mul", "div")


class Excess:
    """Whether the losses of a step are means or sums of what exceeds a bound, and of nothing else but constants.

    A constant that is taken off leaves the gradient as it is; what the loss comes to says no more, then, whether every sample meets the bound.
    """

    def __init__(self) -> None:
        self._form: bool | None = None
        self._shifted, self._met = False, True

    def look(self, ends: Iterable[Operation | None]) -> None:
        """A backward pass begins from what these operations made; None where one isn't known."""
        known = list(ends)
        is_form = bool(known) and all(each is not None and self._is(each, _FAR) for each in known)
        self._form = self._form is not False and is_form

    @property
    def value(self) -> int:
        """1 where it is so; 2 where a constant was added as well and every sample meets its bound; else 0."""
        if not self._form or (self._shifted and not self._met):
            return 0
        return 1 + self._shifted

    def _is(self, made: Operation, far: int, *, bent: bool = False) -> bool:
        """Whether all that reaches it with a gradient went through a `clamp` at 0 of a difference."""
        if not far:
            return False
        if (level := _cut_at(made)) is not None:
            self._met = self._met and bool((made.result.tensor == level).all())
            self._shifted = self._shifted or level != 0
            return _has_bound(made) if level == 0 else not bent
        trained = [operand for operand in made.operands if operand.grad]
        is_shift = not bent and _shifts(made, trained)
        if not trained or not (is_shift or _keeps_zero(made, trained)):
            return False
        self._shifted = self._shifted or is_shift
        # A square of something less a constant is least at that constant, not at the bound.
        bent = bent or made.name == "pow"
        return all(
            t.made_by is not None and self._is(t.made_by, far - 1, bent=bent) for t in trained
        )


def _shifts(made: Operation, trained: list[Operand]) -> bool:
    """Whether nothing but a constant was added to it or taken off."""
    if made.name not in ("add", "sub") or len(trained) != 1:
        return False
    return made.name == "add" or made.operands[0].grad


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


def _cut_at(made: Operation) -> float | None:
    """The number below which it cuts a tensor off: 0, or one above it, where a difference itself stays; None if it does no such thing."""
    if made.name == "max" and len(made.operands) == _TERMS:
        bounds = [each.tensor for each in made.operands if not each.grad]
        levels = [bound.unique().tolist() for bound in bounds]
        level = levels[0][0] if levels and len(levels[0]) == 1 else None
    elif made.name == "clamp" and len(made.numbers) == 1:
        level = made.numbers[0]
    else:
        return 0.0 if made.name == "relu" else None
    if level is None or level == 0:
        return level
    # Above 0 it is a slack of what is never negative, as a length of a difference; a cut from above is none.
    made_by = made.operands[0].made_by
    grown = made_by is not None and made_by.name in _LENGTHS
    return level if level > 0 and grown and bool((made.result.tensor >= level).all()) else None


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
