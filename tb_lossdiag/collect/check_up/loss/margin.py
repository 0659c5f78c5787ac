"""How much of its margin a loss of what falls short of one finds between what it compares."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

from tb_lossdiag.collect.check_up.loss.tape import Operand, Operation
from tb_lossdiag.collect.check_up.values import wide

_FAR = 24
_LINEAR = 8
"""Sums and differences in one another that are looked through for the margin."""
_TWO = 2
_TOWARDS = ("add", "sub", "mean", "sum", "view", "pow", "mul", "div", "pick", "select", "where")
"""What stands between a loss and its hinges."""
_LIKENESSES = ("distance", "cosine", "norm", "sqrt", "pow", "sum", "clamp", "add", "view")


def compared_in_margins(ends: Iterable[Operation | None]) -> Tensor | None:
    """How far apart, in margins, what the hinges of a loss compare is on average; of several, of those where it is most.

    None without a hinge that asks for a margin between two trained numbers, or between two samples.
    """
    found = [part for end in ends if end is not None for part in _hinges(end)]
    return torch.stack(found).max() if found else None


def _hinges(end: Operation) -> Iterator[Tensor]:
    front, seen = [(end, _FAR)], set[int]()
    while front:
        made, far = front.pop()
        if id(made) in seen or not far:
            continue
        seen.add(id(made))
        if (operand := _cut(made)) is not None:
            yield from _of_margin(operand)
        elif made.name in _TOWARDS:
            front.extend((o.made_by, far - 1) for o in made.operands if o.made_by is not None)


def _cut(made: Operation) -> Operand | None:
    """What it cuts off below 0."""
    trained = [operand for operand in made.operands if operand.grad]
    if len(trained) != 1:
        return None
    others = [operand.tensor for operand in made.operands if not operand.grad]
    at_nought = made.name == "clamp" and made.numbers == (0.0,)
    larger = made.name == "max" and len(others) == 1 and not bool(others[0].any())
    return trained[0] if made.name == "relu" or at_nought or larger else None


def _of_margin(cut: Operand) -> Iterator[Tensor]:
    terms = list(_terms(cut, _LINEAR))
    margin = sum(term for term in terms if isinstance(term, float))
    compared = [term for term in terms if isinstance(term, Operand)]
    between = len(compared) == _TWO or (len(compared) == 1 and _is_length(compared[0]))
    if margin > 0 and between and cut.intact:
        yield (wide(cut.tensor) - margin).abs().mean() / margin


def _terms(operand: Operand, far: int, sign: float = 1.0) -> Iterator[Operand | float]:
    """What it is the sum of: trained tensors and, with their sign, numbers."""
    made = operand.made_by
    if not operand.grad:
        values = operand.tensor
        yield (
            sign * float(values.flatten()[0])
            if bool((values == values.flatten()[0]).all())
            else operand
        )
    elif made is None or not far or made.name not in ("add", "sub", "rsub", "neg", "view"):
        yield operand
    else:
        first, rest = _signs(made.name)
        for place, each in enumerate(made.operands):
            yield from _terms(each, far - 1, sign * (rest if place else first))
        number = -first if made.name in ("sub", "rsub") else 1.0
        if made.name in ("add", "sub", "rsub"):
            yield from (sign * number * each for each in made.numbers)


def _signs(name: str) -> tuple[float, float]:
    """Of its first operand and of the other one."""
    return {"sub": (1.0, -1.0), "rsub": (-1.0, 1.0), "neg": (-1.0, 1.0)}.get(name, (1.0, 1.0))


def _is_length(operand: Operand) -> bool:
    """Whether it says how far two trained samples are apart, or how alike they are."""
    for _ in range(_LINEAR):
        made = operand.made_by
        if made is None or made.name not in (*_LIKENESSES, "sub"):
            return False
        trained = [each for each in made.operands if each.grad]
        if made.name in ("sub", "distance", "cosine"):
            return len(trained) == _TWO
        operand = trained[0]
    return False
