"""Whether a policy's likelihoods are weighed with returns less values that can learn, so that the policy's loss moves the critic."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from tb_lossdiag.collect.check_up.loss.tape import Operand, Operation, behind
from tb_lossdiag.collect.check_up.loss.weights import Answers
from tb_lossdiag.collect.check_up.values import wide

_FEWEST, _LARGEST = 16, 65_536
_PAIR = 2
_LIKELY = frozenset({"log_softmax", "logsumexp", "log"})
"""What the logarithm of a probability is made by."""


class Difference(NamedTuple):
    """What was given less what a network answered, both with their values of then."""

    given: Tensor
    answer: Tensor


def trained_advantages(operations: Sequence[Operation]) -> Iterator[Difference]:
    """Differences that can learn and weigh a likelihood that can, too, the nearest first."""
    for step in operations:
        if step.name != "mul" or len(step.operands) != _PAIR:
            continue
        one, other = step.operands
        fits = one.tensor.numel() == other.tensor.numel() == step.result.tensor.numel()
        if one.grad and other.grad and fits and _FEWEST <= one.tensor.numel() <= _LARGEST:
            for likely, weight in ((one, other), (other, one)):
                made = _difference(weight)
                if made is not None and _is_likelihood(likely, weight):
                    yield made


def _difference(weight: Operand) -> Difference | None:
    """Of numbers that were given and others that can learn, the nearest to what was multiplied."""
    for step in behind(weight):
        if step.name != "sub" or len(step.operands) != _PAIR:
            continue
        one, other = step.operands
        given, answer = (one, other) if other.grad else (other, one)
        same = given.tensor.numel() == answer.tensor.numel() == weight.tensor.numel()
        if answer.grad and not given.grad and same and given.intact and answer.intact:
            # Copies, since the critic's loss may come in a pass of its own.
            return Difference(*(wide(t.tensor).reshape(-1).clone() for t in (given, answer)))
    return None


def _is_likelihood(likely: Operand, weight: Operand) -> bool:
    """Whether a logarithm of probabilities is in it that is in the other factor not: a residual times itself is none."""
    others = set(map(id, behind(weight)))
    own = [step for step in behind(likely) if id(step) not in others]
    return any(map(makes_likely, own))


def makes_likely(step: Operation) -> bool:
    """Whether it stands in the logarithm of a probability: of classes, or of a normal distribution."""
    return step.name in _LIKELY or _is_distance(step)


def _is_distance(step: Operation) -> bool:
    """The square of what was done less a distribution's mean."""
    apart = step.operands[0].made_by if step.name == "pow" else None
    if apart is None or apart.name != "sub" or len(apart.operands) != _PAIR:
        return False
    return apart.operands[0].grad is not apart.operands[1].grad


def moves_the_critic(differences: Sequence[Difference], critics: Sequence[Answers]) -> bool:
    """Whether one of them is what a squared or absolute loss compares as well: targets less their critic's answers."""
    return any(
        _same(made.given, one.targets) and _same(made.answer, one.answers)
        for made in differences
        for one in critics
    )


def _same(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and one.device == other.device and torch.equal(one, other)
