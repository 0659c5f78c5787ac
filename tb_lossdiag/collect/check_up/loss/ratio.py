"""The ratio of what a policy thinks of actions now and before, and whether it is one where the policy has moved since."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from tb_lossdiag.collect.check_up.loss.tape import Operand, Operation, behind
from tb_lossdiag.collect.check_up.values import Facts, part, wide
from tb_lossdiag.quantities import RATIO_TO_ITSELF

_SAMPLED = 65_536
_FEWEST = 16
"""Actions."""
_UNLIKELY = -30.0
"""Logarithm of a probability: actions that are drawn anew are not the same by chance."""
_SOME = 4
"""Real numbers that are the same again."""
_KEPT = 12
"""Check-ups to compare with."""
_INDICES = (torch.int64, torch.int32)
_PAIR = 2


@dataclass(frozen=True)
class Ratio:
    """A ratio that is clamped around one, on the way to the loss.

    Attributes:
        actions: real[N]: what was done.
        now: real[M]: what the policy thinks of it.
        one: whether the ratio is exactly one everywhere.
        drawn: whether the same actions would hardly be drawn twice.
        real: whether actions are real numbers.
    """

    actions: Tensor
    now: Tensor
    one: bool
    drawn: bool
    real: bool


def clamped_ratio(operations: Sequence[Operation]) -> Ratio | None:
    """The first ratio of the kind among the operations that a loss was made of."""
    for step in operations:
        if step.name == "clamp" and _around_one(step.numbers) and step.operands:
            made = step.operands[0].made_by
            now, before = (None, None) if made is None else _sides(made)
            if made is not None and now is not None and before is not None:
                return _ratio(made, now)
    return None


def _around_one(bounds: Sequence[float]) -> bool:
    return len(bounds) == _PAIR and 0 <= bounds[0] < 1 < bounds[1]


def _sides(made: Operation) -> tuple[Operand | None, Operand | None]:
    """What it is of: exp(now - before), or now / before, where only the first can learn."""
    step: Operation | None = made
    if made.name == "exp":
        step = made.operands[0].made_by
        if step is not None and step.name != "sub":
            return None, None
    elif made.name != "div":
        return None, None
    if step is None or len(step.operands) != _PAIR:
        return None, None
    now, before = step.operands
    same = now.grad and not before.grad and now.tensor.shape == before.tensor.shape
    return (now, before) if same else (None, None)


def _ratio(made: Operation, now: Operand) -> Ratio | None:
    ratio = made.result.tensor
    acted = next(_actions(now), None)
    if ratio.numel() < _FEWEST or acted is None or not (acted.intact and now.intact):
        return None
    real, one = acted.tensor.is_floating_point(), bool((ratio == 1).all())
    likely = wide(now.tensor) if made.name == "exp" else wide(now.tensor).log()
    drawn = real or bool(likely.clamp_max(0).sum() < _UNLIKELY)
    # Copies, since a buffer of a rollout is filled anew.
    actions, told = part(acted.tensor, _SAMPLED).clone(), part(now.tensor, _SAMPLED).clone()
    return Ratio(actions, told, one, drawn, real)


def _actions(now: Operand) -> Iterator[Operand]:
    """The index by which the policy's answers were picked, or what is squared with a distribution's mean taken from it."""
    for step in behind(now):
        if step.name in ("gather", "pick"):
            yield from (one for one in step.operands[:0:-1] if _whole(one.tensor))
        apart = step.operands[0].made_by if step.name == "pow" else None
        if apart is not None and apart.name == "sub" and len(apart.operands) == _PAIR:
            yield from (one for one in apart.operands if _real(one))


def _whole(index: Tensor) -> bool:
    return index.numel() >= _FEWEST and index.dtype in _INDICES


def _real(one: Operand) -> bool:
    drawn = not one.grad and one.tensor.is_floating_point() and one.tensor.numel() >= _FEWEST
    return drawn and len(part(one.tensor, _SAMPLED).unique()) >= _SOME


class Ratios:
    """Compares the ratios of check-ups."""

    def __init__(self) -> None:
        self._before: list[Ratio] = []

    def facts(self, ratio: Ratio | None) -> Facts:
        """Where actions of an earlier check-up come again, and the policy has moved: 1 if the ratio is one all the same, else 0."""
        if ratio is None or not ratio.drawn:
            return {}
        again = any(_again(one, ratio) for one in self._before)
        self._before = [*self._before, ratio][-_KEPT:]
        return {RATIO_TO_ITSELF: float(ratio.one)} if again else {}


def _again(before: Ratio, now: Ratio) -> bool:
    """Whether actions come again, of which the policy thinks otherwise: all of them in their order, or some where they are real numbers."""
    if before.actions.device != now.actions.device or _same(before.now, now.now):
        return False
    if _same(before.actions, now.actions):
        return True
    if not now.real:
        return False
    # What was clipped to a bound is there several times.
    values, times = now.actions.unique(return_counts=True)
    return int(torch.isin(values[times == 1], before.actions).sum()) >= _SOME


def _same(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and torch.equal(one, other)
