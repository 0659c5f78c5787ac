"""A focal factor that was made of a batch's mean: (1 - exp(-mean)) ** gamma times the mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tb_lossdiag.collect.check_up.loss.loss_call import CLASS_LOSSES, LossCall
from tb_lossdiag.collect.check_up.loss.pieces import SIGNED, origin
from tb_lossdiag.collect.check_up.loss.tape import Operand, Operation, behind

_BINARY = {"binary_cross_entropy", "binary_cross_entropy_with_logits"}
_PAIR = 2


def samples_in_mean(call: LossCall) -> int:
    """Samples over which a loss of classes is a mean; 0 where it is none."""
    if call.value is None or call.value.numel() != 1 or call.summed:
        return 0
    several = call.input.dim() > 1 or call.name in _BINARY
    focal = call.name in CLASS_LOSSES or call.name in _BINARY
    return len(call.input) if several and focal and call.input.dim() and len(call.input) > 1 else 0


def focused_mean(operations: Sequence[Operation], means: Mapping[int, int]) -> int:
    """Samples in the mean that was multiplied with its own focal factor; 0 where none was, or several: then it weighs one against the other.

    Args:
        operations: those that the loss was made of.
        means: samples of each class loss that is a mean, by the graph node of its value.
    """
    found: dict[int | None, int] = {}
    for product in operations:
        if product.name == "mul" and len(product.operands) == _PAIR and product.single:
            one, other = product.operands
            for mean, factor in ((one, other), (other, one)):
                samples = _samples(mean, means)
                if samples and _made_of(factor, mean):
                    found[origin(mean, SIGNED)[0].node] = samples
    return next(iter(found.values())) if len(found) == 1 else 0


def _samples(operand: Operand, means: Mapping[int, int]) -> int:
    known = 0 if operand.node is None else means.get(operand.node, 0)
    made = operand.made_by
    if known or made is None or made.name != "mean" or not made.operands:
        return known
    count = made.operands[0].tensor.numel()
    return count if count > 1 else 0


def _made_of(factor: Operand, mean: Operand) -> bool:
    """Whether a power of 1 - exp(-mean) is in it."""
    powers = [behind(step.operands[0]) for step in behind(factor) if step.name == "pow"]
    return any(_share(steps, mean) for steps in powers)


def _share(steps: Sequence[Operation], mean: Operand) -> bool:
    likely = any(step.name == "exp" and _negative(step, mean) for step in steps)
    return likely and any(step.name in ("sub", "rsub") for step in steps)


def _negative(step: Operation, mean: Operand) -> bool:
    inner, sign = origin(step.operands[0], SIGNED)
    same, its_own = origin(mean, SIGNED)
    return sign == -its_own and inner.node == same.node
