"""What a loss of preferences asks for: by how much more a policy prefers an answer than its reference does, under a logistic function."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch

from tb_lossdiag.collect.check_up.loss.tape import Operand, Operation

_FAR = 8
_LOGISTIC = ("log_sigmoid", "softplus", "sigmoid")
_BETWEEN = ("add", "sub", "rsub", "neg", "mul", "div", "view")
_PAIR = 2

REFERENCE, PAIR = 1, 2


def idle_preference(operations: Sequence[Operation]) -> int | None:
    """Why it asks for nothing.

    Returns:
        `REFERENCE` where the policy and what it is compared with are the same to the last bit, `PAIR` where the policy thinks exactly the same of both
        answers, 0 if it is neither, as where a factor is 0; None without such a loss.
    """
    for step in operations:
        if step.name in _LOGISTIC and step.operands:
            compared = list(_compared(step.operands[0], _FAR))
            if compared:
                return _why(step.operands[0], compared)
    return None


def _compared(operand: Operand, far: int) -> Iterator[Operation]:
    """Differences of what is trained and what is not that an operand is the sum of."""
    made = operand.made_by
    if made is None or not far or made.name not in _BETWEEN:
        return
    if made.name == "sub" and len(made.operands) == _PAIR and _is_ratio(made):
        yield made
        return
    for each in made.operands:
        if each.grad:
            yield from _compared(each, far - 1)


def _is_ratio(made: Operation) -> bool:
    """Whether logarithms of two models' probabilities are compared, sample by sample."""
    policy, reference = made.operands
    alike = policy.tensor.shape == reference.tensor.shape
    return policy.grad and not reference.grad and alike and policy.intact and reference.intact


def _why(asked: Operand, compared: Sequence[Operation]) -> int:
    results = [each.result.tensor for each in compared]
    same = not any(bool(each.any()) for each in results)
    # Differences that do not cancel each other, and come to nothing: a factor of 0 is in between.
    cancel = len(results) > 1 and all(torch.equal(results[0], each) for each in results)
    if bool(asked.tensor.any()) or not (same or cancel):
        return 0
    moved = any(bool(each.operands[0].tensor.any()) for each in compared)
    return REFERENCE if same and moved else PAIR
