"""What a step's loss is, said so that the same can be known where nothing is trained."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from tb_lossdiag.collect.check_up.loss.loss_call import LossCall
from tb_lossdiag.collect.check_up.source import node_id, operation
from tb_lossdiag.collect.check_up.values import wide

_SCALING = ("Mul", "Div", "Mean", "ToCopy", "View", "Squeeze", "Reshape")
"""On the way from a loss to what is backpropagated: a mean of many, a part of several, a scale."""
_FAR = 8
_REDUCING = ("reduction", "size_average", "reduce")
_PLAIN = (str, int, float, bool, type(None))
_SLACK = 0.02
"""Relative: half precision rounds."""

Manner = tuple[tuple[str, object], ...]


def manner(call: LossCall) -> Manner:
    """The other arguments of a call, without its reduction; of a tensor only that there was one."""
    kept = {name: value for name, value in call.options.items() if name not in _REDUCING}
    shown = ((n, v if isinstance(v, _PLAIN) else type(v).__name__) for n, v in kept.items())
    return tuple(sorted(shown))


@dataclass(frozen=True)
class Kin:
    """What a loss is: a function called in some manner, or a number that the model returns.

    Attributes:
        name: of the function; "" for the model's own.
        manner: of its call.
        place: among the single numbers that the model returns.
    """

    name: str = ""
    manner: Manner = ()
    place: int = 0


@dataclass(frozen=True)
class Known:
    """A call that may be the loss.

    Attributes:
        kin: what it is.
        node: sequence number of the graph node of its value.
        value: float[]: its mean.
        averaged: whether it is a mean, or will be one.
    """

    kin: Kin
    node: int
    value: Tensor
    averaged: bool = True


@dataclass
class Trained:
    """What the backward passes of one step began from.

    Attributes:
        kin: what the loss of every pass was; None if one of them was something else, or two were different.
        passes: backward passes so far.
        roots: what each began from.
        values: of the loss in each.
    """

    kin: Kin | None = None
    passes: int = 0
    roots: list[Tensor] = field(default_factory=list)
    values: list[Tensor] = field(default_factory=list)

    def passed(self, roots: Sequence[Tensor], known: Sequence[Known]) -> None:
        """A backward pass begins."""
        self.passes += 1
        found = _alone(roots, {one.node: one for one in known})
        if found is None or (self.passes > 1 and found.kin != self.kin):
            self.kin = None
            return
        self.kin = found.kin
        self.roots.append(wide(roots[0].detach()).reshape(()).clone())
        self.values.append(found.value)

    def plain(self, scale: float = 1.0) -> bool:
        """Whether what was trained is the loss itself, or the mean over the passes, and no multiple of it.

        Args:
            scale: of a GradScaler.
        """
        if self.kin is None or len(self.roots) != self.passes:
            return False
        trained, meant = (
            float(torch.stack(self.roots).sum()),
            float(torch.stack(self.values).mean()),
        )
        return math.isclose(trained, scale * meant, rel_tol=_SLACK)


def known(call: LossCall) -> list[Known]:
    """A call that has a value, as what may be the loss."""
    if call.node is None or call.value is None:
        return []
    summed = call.value.numel() == 1 and call.summed
    mean = wide(call.value.detach()).mean()  # now, since it may be divided in place
    return [Known(Kin(call.name, manner(call)), call.node, mean, averaged=not summed)]


def returned(numbers: Sequence[Tensor]) -> list[Known]:
    """The single numbers that a model has returned, as what may be the loss."""
    return [
        Known(Kin(place=place), node, wide(number.detach()).reshape(()).clone())
        for place, number in enumerate(numbers)
        if (node := node_id(number)) is not None
    ]


def _alone(roots: Sequence[Tensor], known: Mapping[int, Known]) -> Known | None:
    """The one loss that is backpropagated, and nothing beside it."""
    if len(roots) != 1 or roots[0].numel() != 1:
        return None
    node: Any = roots[0].grad_fn
    for _ in range(_FAR):
        if node is None:
            return None
        found = known.get(int(node._sequence_nr()))  # noqa: SLF001
        if found is not None and operation(node) != "AccumulateGrad":
            return found if found.averaged else None
        before = [other for other, _ in node.next_functions if other is not None]
        if operation(node) not in _SCALING or len(before) != 1:
            return None
        node = before[0]
    return None
