"""The sign with which a policy's likelihoods, weighed with what was given, stand in a loss: + makes what counts for much less likely."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tb_lossdiag.collect.check_up.loss.divergence import Addend, addends
from tb_lossdiag.collect.check_up.loss.moved_critic import makes_likely
from tb_lossdiag.collect.check_up.loss.tape import Operand, Operation, behind

_FAR = 16
_FEWEST = 16
_PAIR = 2


def policy_sign(ends: Iterable[Operation | None]) -> int:
    """1 where a loss rises with weighed likelihoods, -1 where it falls with them, 0 where none are seen or signs differ.

    Args:
        ends: the operations that made the losses; None where one isn't known.
    """
    signs = {sign for each in addends(ends) for sign in _signs(each)}
    return signs.pop() if len(signs) == 1 else 0


def _signs(addend: Addend) -> Iterator[int]:
    """Of the products of a likelihood and given numbers that an addend is, or is the smaller or larger of."""
    made = addend.operand.made_by
    for step in [] if made is None else _products(made, _FAR):
        likely = next(one for one in step.operands if one.grad)
        sign, likely = _upright(likely)
        if any(map(makes_likely, behind(likely))):
            yield addend.sign * sign


def _products(made: Operation, far: int) -> Iterator[Operation]:
    """The nearest products of numbers of which one side alone can learn, whatever picks among them."""
    if made.name == "mul" and len(made.operands) == _PAIR:
        one, other = made.operands
        if one.grad is not other.grad and one.tensor.numel() == other.tensor.numel() >= _FEWEST:
            yield made
            return
    if far and made.name in ("min", "max", "view"):
        for each in made.operands:
            if each.made_by is not None:
                yield from _products(each.made_by, far - 1)


def _upright(likely: Operand) -> tuple[int, Operand]:
    """(the sign that a likelihood was given, the likelihood)."""
    sign = 1
    for _ in range(_FAR):
        made = likely.made_by
        if made is None or made.name not in ("neg", "view", "sum") or len(made.operands) != 1:
            break
        sign, likely = sign * (-1 if made.name == "neg" else 1), made.operands[0]
    return sign, likely
