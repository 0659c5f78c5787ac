"""The sign with which a divergence of normal distributions stands in a loss: x - exp(x) of a log variance, or log v - v of a variance."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple

from tb_lossdiag.collect.check_up.loss.tape import Operand, Operation

_FAR = 32
_MOST = 64
_THROUGH = ("mean", "sum", "view")
_Key = tuple[object, ...]


class Addend(NamedTuple):
    """What a loss is the sum of, and the sign that it has there."""

    operand: Operand
    sign: int


def divergence_sign(ends: Iterable[Operation | None]) -> int:
    """1 where a divergence is added, -1 where one is taken off, 0 where none is seen or signs differ.

    Args:
        ends: the operations that made the losses; None where one isn't known.
    """
    signs = set(_signs(addends(ends)))
    return signs.pop() if len(signs) == 1 else 0


def addends(ends: Iterable[Operation | None]) -> list[Addend]:
    """What losses are sums of, as far as signs can be followed.

    Args:
        ends: the operations that made the losses; None where one isn't known.
    """
    made = (each for end in ends if end is not None for each in _addends(end.result, 1, end))
    return list(islice(made, _MOST))


def _addends(
    operand: Operand, sign: int, made: Operation | None, far: int = _FAR
) -> Iterator[Addend]:
    """Goes through sums and means, and factors whose sign is known."""
    parts = None if made is None or not far else _parts(made)
    if parts is None:
        yield Addend(operand, sign)
        return
    for part, own in parts:
        if part.grad:
            yield from _addends(part, sign * own, part.made_by, far - 1)


def _parts(made: Operation) -> list[tuple[Operand, int]] | None:
    """What it is the sum of, with signs; None where it is no sum."""
    if made.name in _THROUGH and len(made.operands) == 1:
        return [(made.operands[0], 1)]
    if made.name in ("neg", "rsub") and len(made.operands) == 1:
        return [(made.operands[0], -1)]
    if made.name in ("add", "sub"):
        second = -1 if made.name == "sub" else 1
        return [(each, second if i else 1) for i, each in enumerate(made.operands)]
    factor = _factor(made)
    return None if factor is None else [(o, factor) for o in made.operands if o.grad]


def _factor(made: Operation) -> int | None:
    """Sign of what one trained tensor is multiplied with or divided by; None where that is unknown, 0 or of both signs."""
    trained = [operand for operand in made.operands if operand.grad]
    if made.name not in ("mul", "div") or len(trained) != 1:
        return None
    if made.name == "div" and not made.operands[0].grad:
        return None
    sign = 1
    for number in made.numbers:
        sign *= (number > 0) - (number < 0)
    for each in (operand for operand in made.operands if not operand.grad):
        if each.tensor.numel() != 1 or not each.intact:
            return None
        sign *= int(each.tensor.sign())
    return sign or None


def _signs(found: list[Addend]) -> Iterator[int]:
    """Of each divergence in a sum: that of its exponential, where the logarithm has the other one."""
    by_log = {_key(_scaled(each.operand)): each.sign for each in found}
    variances = {_key(_root(each.operand)): each.sign for each in found}
    for each in found:
        inner = _exponent(each.operand)
        if inner is not None and by_log.get(_key(_scaled(inner))) == -each.sign:
            yield each.sign
        made = each.operand.made_by
        if made is not None and made.name == "log":
            variance = variances.get(_key(_root(made.operands[0])))
            if variance == -each.sign:
                yield variance


def _exponent(operand: Operand) -> Operand | None:
    """What an exponential, or a power of one, was taken of."""
    made = _root(operand).made_by
    return made.operands[0] if made is not None and made.name == "exp" else None


def _scaled(operand: Operand) -> Operand:
    """Without positive factors."""
    for _ in range(_FAR):
        made = operand.made_by
        if made is None or made.name not in ("mul", "div") or _factor(made) != 1:
            break
        operand = next(each for each in made.operands if each.grad)
    return operand


def _root(operand: Operand) -> Operand:
    """Without positive factors and powers: of a positive number its logarithm has the same sign of slope."""
    for _ in range(_FAR):
        operand = _scaled(operand)
        made = operand.made_by
        if made is None or made.name != "pow" or len(made.operands) != 1:
            break
        operand = made.operands[0]
    return operand


def _key(operand: Operand) -> _Key:
    """The same for uses of one tensor."""
    made = operand.made_by
    if made is not None:
        again = made.name == "exp" and len(made.operands) == 1  # it is often written twice
        return ("exp", *_key(made.operands[0])) if again else ("made", id(made))
    return ("memory", operand.tensor.data_ptr()) if operand.node is None else ("node", operand.node)
