"""Numbers that weigh a policy's likelihoods: in how many scales they are, and what they were centred over."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import NamedTuple

import torch
from torch import Tensor

from tb_lossdiag.collect.check_up.loss.loss_call import LossCall
from tb_lossdiag.collect.check_up.loss.tape import Operation
from tb_lossdiag.collect.check_up.values import wide
from tb_lossdiag.quantities import made_for

_FEWEST = 16
_LARGEST = 65_536
_KEPT = 4
_PAIR = 2
_ALIKE = 0.98
"""Correlation of targets and answers from which on it can't be told which of them something was made of."""
_ROUNDING = 1e-4
"""Of the weights' deviation."""
_EXACT = 3e-5
"""Of it: what is no straight sum of both is more than that."""
_SHARE = 1e-3
"""Of it: what the critic's answers must make of it. Their factor is then known to a sixth."""


class Answers(NamedTuple):
    """A critic's answers beside what they are to become.

    Attributes:
        answers: real[N].
        targets: real[N].
    """

    answers: Tensor
    targets: Tensor


def critic(call: LossCall) -> Answers | None:
    """What may be a critic's: answers without a scale of their own, each beside its target."""
    target = call.target
    if target is None or target.requires_grad or not made_for(call.name).symmetric:
        return None
    said = call.input.detach()
    if said.numel() != target.numel() or not _FEWEST <= said.numel() <= _LARGEST:
        return None
    # Copies: a rollout's buffer is filled anew.
    return Answers(wide(said).reshape(-1).clone(), wide(target.detach()).reshape(-1).clone())


def weights(operations: Sequence[Operation]) -> Iterator[Tensor]:
    """real[...]: what was multiplied with numbers that can learn, and can't itself, the nearest first."""
    for step in operations:
        if step.name == "mul" and len(step.operands) == _PAIR:
            one, other = step.operands
            given = other if one.grad else one
            fits = one.grad is not other.grad and one.tensor.shape == other.tensor.shape
            real = given.intact and given.tensor.is_floating_point()
            if fits and real and _FEWEST <= given.tensor.numel() <= _LARGEST:
                yield given.tensor


def scales_apart(weighing: Sequence[Tensor], critics: Sequence[Answers]) -> float | None:
    """How often the target's unit goes into the answers', where weights are exactly a x target - b x answer + c: a / b, 1 in one scale."""
    pairs = product(weighing[:_KEPT], critics[:_KEPT])
    found = (_ratio(weight, one) for weight, one in pairs)
    return next((ratio for ratio in found if ratio is not None), None)


def _ratio(weight: Tensor, one: Answers) -> float | None:
    if weight.numel() != one.answers.numel() or weight.device != one.answers.device:
        return None
    precise = torch.float32 if weight.device.type == "mps" else torch.float64
    made, target, answer = (
        each.reshape(-1).to(precise) for each in (weight, one.targets, one.answers)
    )
    made, target, answer = (each - each.mean() for each in (made, target, answer))
    size, tt, aa, ta = made.norm(), target @ target, answer @ answer, target @ answer
    if not bool((size > 0) & (tt > 0) & (aa > 0) & (ta.square() < _ALIKE**2 * tt * aa)):
        return None
    whole = tt * aa - ta.square()
    a = (aa * (made @ target) - ta * (made @ answer)) / whole
    b = (ta * (made @ target) - tt * (made @ answer)) / whole
    exact = (made - a * target + b * answer).norm() <= _EXACT * size
    told = (a * b > 0) & (b.abs() * aa.sqrt() >= _SHARE * size)
    return float(a / b) if bool(exact & told) else None


def padding_centred(operations: Sequence[Operation], weighing: Sequence[Tensor]) -> float | None:
    """Mean of the weights that count, in their standard deviations, where they were centred together with padding; None where they were not.

    All weights then have a mean of 0, and where a mask says that none counts all are one number.
    """
    masks = list(_masks(operations))
    pairs = product(weighing[:_KEPT], masks[:_KEPT])
    found = (_shifted(weight, mask) for weight, mask in pairs if weight.shape == mask.shape)
    return next((shift for shift in found if shift is not None), None)


def _masks(operations: Sequence[Operation]) -> Iterator[Tensor]:
    """bool[...]: which places count, where a factor of 0 and 1 says so, the nearest first."""
    for step in operations:
        for one in step.operands if step.name == "mul" else ():
            if one.grad or not one.intact or not _FEWEST <= one.tensor.numel() <= _LARGEST:
                continue
            counts = one.tensor != 0
            if one.tensor.dtype is torch.bool or bool((one.tensor == counts).all()):
                yield counts


def _shifted(weight: Tensor, counts: Tensor) -> float | None:
    kept, rest = wide(weight)[counts], wide(weight)[~counts]
    if min(len(kept), len(rest)) < _FEWEST:
        return None
    spread = wide(weight).std()
    one = (rest.max() - rest.min()) <= _ROUNDING * spread
    centred = wide(weight).mean().abs() <= _ROUNDING * spread
    if not bool(one & centred & (rest[0] != 0) & (spread > 0)):
        return None
    return float(kept.mean() / kept.std().clamp_min(_ROUNDING * spread))
