"""Binary cross-entropies that show their probabilities or scores alone: whatever was written between them and the loss, the value says what it is."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional

from tb_lossdiag.collect.check_up.loss.counting import masking
from tb_lossdiag.collect.check_up.loss.pieces import (
    KEPT_FINITE,
    SHAPED,
    Expression,
    Reduced,
    origin,
)
from tb_lossdiag.collect.check_up.loss.tape import Operand, Operation
from tb_lossdiag.collect.check_up.loss.written import BY_HAND, Written
from tb_lossdiag.collect.check_up.values import wide

_FEW = 4
"""Different probabilities, targets, powers and prices that are tried."""
_SMALL = 1e-3
_LOGISTIC = ("softplus", "log_sigmoid")
_WITH_LOGITS = "binary_cross_entropy_with_logits"
_SIGNS = {-1.0, 1.0}


def answers(loss: Expression) -> Written | None:
    """-y log p - (1 - y) log(1 - p), with a price for each answer or a power of what was missed, or of one answer alone."""
    if not loss.names & {"log", "log1p", *_LOGISTIC}:
        return None
    targets = list(_targets(loss))
    return _of_probabilities(loss, targets) or _of_scores(loss, targets) or _of_one_answer(loss)


def _of_probabilities(loss: Expression, targets: list[Tensor]) -> Written | None:
    for operand in _probabilities(loss) if targets else ():
        p = wide(operand.tensor)
        for y in (wide(t).reshape(p.shape) for t in targets if t.numel() == p.numel()):
            for options, each in _likelihoods(loss, p, y):
                how = loss.reduced(each)
                if how is not None and _priced(how, y):
                    # Torch's own function refuses signs.
                    own = {"weight": BY_HAND} if bool((y < 0).any()) else options
                    found = Written("binary_cross_entropy", operand, y, how.reduction, own)
                    return found.counted(how)
    return None


def _of_scores(loss: Expression, targets: list[Tensor]) -> Written | None:
    for operand in _scores(loss) if targets else ():
        x = wide(operand.tensor)
        for y in (wide(t).reshape(x.shape) for t in targets if t.numel() == x.numel()):
            each = functional.binary_cross_entropy_with_logits(x, y, reduction="none")
            if (how := loss.evenly(each)) is not None:
                return Written(_WITH_LOGITS, operand, y, how.reduction).counted(how)
    return None


def _of_one_answer(loss: Expression) -> Written | None:
    """-log σ(x) of all: what a discriminator is told of pictures that are all real, or how much better one item is than another."""
    for operand in _scores(loss):
        x = wide(operand.tensor)
        for each in (functional.softplus(-x), functional.softplus(x)):
            if (how := loss.evenly(each)) is not None:
                return Written("soft_margin_loss", operand, None, how.reduction).counted(how)
    return None


def _likelihoods(loss: Expression, p: Tensor, y: Tensor) -> Iterator[tuple[dict[str, str], Tensor]]:
    """Each element's, in each way that is in use."""
    numbers = list(dict.fromkeys(abs(n) for n in loss.numbers))
    powers = [n for step in loss.named("pow") for n in step.numbers][:_FEW]
    prices = [n for n in numbers if n > _SMALL][:_FEW]
    # No constant is their baseline.
    weighted = {"weight": BY_HAND}
    for eps in (0.0, *[n for n in numbers if 0 < n <= _SMALL][:1]):
        yes, no = -y * (p + eps).log(), -(1 - y) * (1 - p + eps).log()
        yield {}, yes + no
        for power in dict.fromkeys(powers):
            hard_yes, hard_no = yes * (1 - p) ** power, no * p**power
            yield weighted, hard_yes + hard_no
            for price in (n for n in prices if n < 1):
                yield weighted, price * hard_yes + (1 - price) * hard_no
        for one in (n for n in prices if n != 1):
            others = [n for n in (1.0, 1 - one, *prices) if n > _SMALL]
            yield from ((weighted, one * yes + other * no) for other in others)
            yield weighted, yes + one * no


def _priced(how: Reduced, y: Tensor) -> bool:
    """Whether elements count all the same, not at all, or as their answer does: advantages of a policy would weigh them, too."""
    w = how.weight
    if w is None or (how.normalised and masking(w) is not None):
        return True
    if w.shape != y.shape or not bool(((y == 0) | (y == 1)).all()):
        return False
    return all(
        float(side.std(correction=0)) <= _SMALL * float(w.max())
        for side in (w[y == 0], w[y == 1])
        if side.numel()
    )


def _probabilities(loss: Expression) -> list[Operand]:
    """What may be some: what a sigmoid made, or what stands alone and taken from 1."""
    made = [step.result for step in loss.named("clamp", "sigmoid")]
    parts = [
        o
        for step in loss.named("where", "rsub", "log", "select", "pick")
        for o in step.operands
        if o.grad
    ]
    known: dict[int, Operand] = {}
    for operand in (*made, *(origin(part, KEPT_FINITE)[0] for part in parts)):
        if operand.grad and operand.intact and _unit(operand.tensor):
            known.setdefault(operand.tensor.data_ptr(), operand)
    return list(known.values())[:_FEW]


def _scores(loss: Expression) -> list[Operand]:
    """What a sigmoid was taken of, in one of its forms."""
    known: dict[int, Operand] = {}
    for step in (*loss.named(*_LOGISTIC, "sigmoid"), *_exponentials(loss)):
        operand = _unsigned(step.operands[0]) if step.operands else None
        if operand is not None and operand.grad and operand.intact and operand.tensor.numel() > 1:
            known.setdefault(operand.tensor.data_ptr(), operand)
    return list(known.values())[:_FEW]


def _exponentials(loss: Expression) -> list[Operation]:
    """Of log(1 + exp(x))."""
    return loss.named("exp") if loss.names & {"log1p", "log"} else []


def _unsigned(operand: Operand) -> Operand:
    """A score without the sign of its answer."""
    for _ in range(_FEW):
        made = operand.made_by
        if made is None or made.name not in ("neg", "mul", *SHAPED):
            break
        scores = [each for each in made.operands if each.grad]
        signs = [each.tensor for each in made.operands if not each.grad]
        if len(scores) != 1 or not set(made.numbers) <= _SIGNS or not all(map(_signed, signs)):
            break
        operand = scores[0]
    return operand


def _targets(loss: Expression) -> Iterator[Tensor]:
    """What may say yes or no: a factor, a condition or a sign."""
    found: set[int] = set()
    for step in loss.named("mul", "where"):
        for other in (o for o in step.operands if not o.grad and o.intact):
            y = other.tensor
            if y.numel() < 2 or y.data_ptr() in found or len(found) == _FEW:  # noqa: PLR2004
                continue
            found.add(y.data_ptr())
            if y.dtype is torch.bool or _unit(y):
                yield y
            elif _signed(y):
                # Where they were meant for signs, and where they stand for yes and no.
                yield from ((y + 1) / 2, (1 - y) / 2, y)


def _signed(tensor: Tensor) -> bool:
    return bool((tensor.abs() == 1).all())


def _unit(tensor: Tensor) -> bool:
    low, high = torch.aminmax(wide(tensor))
    return tensor.numel() > 1 and float(low) >= 0 and float(high) <= 1
