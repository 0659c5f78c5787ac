"""What optimizers hold and how fast they go; and which gradients a step has already used."""

from __future__ import annotations

import itertools
import math
import weakref
from collections.abc import Sequence
from typing import Any

import numpy as np
from torch import Tensor

from tb_lossdiag.collect.guard import Guard
from tb_lossdiag.collect.state.frameworks import hookable
from tb_lossdiag.collect.state.gradient_versions import GradientVersions, representatives
from tb_lossdiag.collect.state.parameters import Parameters
from tb_lossdiag.collect.state.tracing import untraced
from tb_lossdiag.quantities import (
    BETA2,
    FOREIGN_PARAMETERS,
    HELD_PARAMETERS,
    LEARNING_RATE,
    MOMENTUM,
    PARAMETER_DECAY,
    PARAMETER_HELD,
    PARAMETER_TRAINABLE,
    WEIGHT_DECAY,
    Quantity,
)
from tb_lossdiag.records import Floats, Record

RATES: tuple[Quantity, ...] = (LEARNING_RATE, MOMENTUM, WEIGHT_DECAY, BETA2)


class Optimizers:
    """The optimizers the writer was given, and the gradients their last steps used.

    Args:
        guarded: keeps a failure out of their steps.
    """

    def __init__(self, guarded: Guard) -> None:
        """Watch none yet."""
        self._guarded = guarded
        self._optimizers: list[tuple[str, weakref.ref[Any]]] = []
        self._used: dict[int, GradientVersions] = {}
        self._last: dict[int, GradientVersions] = {}
        self.steps = 0

    def __len__(self) -> int:
        """Number of optimizers watched so far."""
        return len(self._optimizers)

    def watch(self, optimizer: Any, name: str = "") -> None:
        """Note each step of an optimizer from now on; a public hook, which keeps the optimizer picklable."""
        if self.knows(optimizer):
            return
        self._optimizers.append((name, weakref.ref(optimizer)))
        if hookable(optimizer):
            watch = weakref.ref(self)

            def stepped(optimizer: Any, *_: object) -> None:
                if (me := watch()) is not None:
                    me._guarded.door("optimizer", me.note_step, optimizer)  # noqa: SLF001

            optimizer.register_step_post_hook(untraced(stepped))

    def knows(self, optimizer: Any) -> bool:
        """Whether it is watched."""
        return any(known() is optimizer for _, known in self._optimizers)

    def note_step(self, optimizer: Any) -> None:
        """Remember which gradients this step used."""
        self.steps += 1
        self._used[id(optimizer)] = self._last[id(optimizer)] = _mark(optimizer)
        if len(self._optimizers) > 1:
            for other in self.alive():
                if other is not optimizer and id(other) in self._last:
                    self._last[id(other)] = _mark(other)

    def used(self, parameters: Sequence[Tensor]) -> float:
        """1 if a step has used these parameters' present gradients, 0 if not, NaN if no watched optimizer holds them."""
        marks = [mark for mark in self._used.values() if mark.knows(parameters)]
        if not marks:
            return float("nan")
        return float(any(mark.unchanged(parameters) for mark in marks))

    def fresh(self, optimizer: Any) -> bool:
        """Whether gradients have come since the last step of any, as far as can be seen; True before its first one.

        A generator's backward pass leaves gradients in the critic too, which the critic's next step doesn't use.
        """
        mark = self._last.get(id(optimizer))
        if mark is None:
            return True
        groups = (representatives(group["params"]) for group in optimizer.param_groups)
        return mark.outdated(itertools.chain.from_iterable(groups))

    def reuses(self, optimizer: Any) -> bool:
        """Whether it would step with the very gradients that its last step has used."""
        mark = self._used.get(id(optimizer))
        groups = (representatives(group["params"]) for group in optimizer.param_groups)
        return mark is not None and mark.unchanged(itertools.chain.from_iterable(groups))

    def alive(self) -> list[Any]:
        """The optimizers that still exist, in the order they were given."""
        return [found for _, ref in self._optimizers if (found := ref()) is not None]

    def names(self) -> str:
        """Class names, comma-separated."""
        return ", ".join(dict.fromkeys(type(optimizer).__name__ for optimizer in self.alive()))

    def signature(self) -> tuple[Any, ...]:
        """Changes when a group or a weight decay does."""
        groups = [g for optimizer in self.alive() for g in optimizer.param_groups]
        return tuple((id(g), len(g["params"]), g.get("weight_decay")) for g in groups)

    def held(self, model: Parameters) -> list[Record]:
        """Whether an optimizer holds each parameter (NaN while none is known), with which weight decay; which are trainable."""
        groups = [g for optimizer in self.alive() for g in optimizer.param_groups]
        decay = {id(p): hyperparameter(g.get("weight_decay")) for g in groups for p in g["params"]}
        known = bool(self._optimizers)
        flags = [float(id(p) in decay) if known else np.nan for p in model.tensors]
        decays = [decay.get(id(p), np.nan) for p in model.tensors]
        trainable = [float(p.requires_grad) for p in model.tensors]
        return [
            Record(PARAMETER_HELD, model.names, np.array(flags, np.float32)),
            Record(PARAMETER_DECAY, model.names, np.array(decays, np.float32)),
            Record(PARAMETER_TRAINABLE, model.names, np.array(trainable, np.float32)),
        ]

    def rates(self) -> list[Record]:
        """`RATES` of every parameter group."""
        several = len(self._optimizers) > 1
        found: dict[str, list[float]] = {}
        for index, (name, ref) in enumerate(self._optimizers):
            if (optimizer := ref()) is not None:
                label = name or (f"optimizer {index}" if several else "")
                found.update(rates(optimizer, label))
        return rate_records(found)


def parameters_of(optimizer: Any) -> list[Any]:
    """What it steps, in the order of its groups."""
    return [p for group in optimizer.param_groups for p in group["params"]]


def rates(optimizer: Any, name: str) -> dict[str, list[float]]:
    """`RATES` of an optimizer's groups by column; NaN for what it has not."""
    return {
        f"{name} group {index}".strip(): _rates(group)
        for index, group in enumerate(optimizer.param_groups)
    }


def foreign(optimizer: Any, model: Parameters, name: str) -> list[Record]:
    """How many tensors an optimizer holds, and how many of them are not this model's."""
    own = {id(p) for p in model.tensors}
    held = [id(p) in own for p in parameters_of(optimizer)]
    counts = {FOREIGN_PARAMETERS: held.count(False), HELD_PARAMETERS: len(held)}
    return [Record(q, (name,), np.array([n], np.float32)) for q, n in counts.items()]


def rate_records(found: dict[str, list[float]]) -> list[Record]:
    """Such rates as records."""
    values: Floats = np.array(list(found.values()), np.float32).reshape(-1, len(RATES))
    names = tuple(found)
    return [Record(quantity, names, values[:, i]) for i, quantity in enumerate(RATES)]


def _rates(group: dict[str, Any]) -> list[float]:
    betas = group.get("betas") or (None, None)
    momentum = group.get("momentum") if betas[0] is None else betas[0]
    return [
        hyperparameter(v) for v in (group.get("lr"), momentum, group.get("weight_decay"), betas[1])
    ]


def hyperparameter(value: Any) -> float:
    """A hyper-parameter, which may be a tensor; NaN if it is none."""
    if type(value) is float:
        return value
    try:
        return math.nan if value is None else float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan


def _mark(optimizer: Any) -> GradientVersions:
    groups = [group["params"] for group in optimizer.param_groups]
    held = [p for group in groups for p in representatives(group) if p.grad is not None]
    return GradientVersions(held or _first_with_gradient(groups))


def _first_with_gradient(groups: Sequence[Sequence[Tensor]]) -> list[Tensor]:
    return representatives([p for group in groups for p in group if p.grad is not None])
