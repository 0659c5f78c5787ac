"""What optimizers hold and how fast they go; and which gradients a step has already used."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tb_lossdiag.collect.marks import Mark
from tb_lossdiag.collect.parameters import Parameters
from tb_lossdiag.collect.sample import Sample
from tb_lossdiag.quantities import (
    AMP_SCALE,
    LEARNING_RATE,
    MOMENTUM,
    PARAMETER_HELD,
    PARAMETER_SIZE,
)
from tb_lossdiag.records import Floats, Record

_MARKED = 8
"""Gradients remembered per group after a step: enough to recognise them, few enough to cost nothing."""


class OptimizerWatch:
    """The optimizers the writer was given, and the gradients their last steps used."""

    def __init__(self) -> None:
        """Watch none yet."""
        self._optimizers: list[weakref.ref[Any]] = []
        self._used: dict[int, Mark] = {}
        self.steps = 0

    def __len__(self) -> int:
        """Number of optimizers watched so far."""
        return len(self._optimizers)

    def watch(self, optimizer: Any) -> None:
        """Note each step of an optimizer from now on; a public hook, which keeps the optimizer picklable."""
        if any(known() is optimizer for known in self._optimizers):
            return
        self._optimizers.append(weakref.ref(optimizer))
        if hasattr(optimizer, "register_step_post_hook"):
            watch = weakref.ref(self)

            def stepped(optimizer: Any, *_: object) -> None:
                if (me := watch()) is not None:
                    me.note_step(optimizer)

            optimizer.register_step_post_hook(stepped)

    def note_step(self, optimizer: Any) -> None:
        """Remember which gradients this step used."""
        self.steps += 1
        groups = [group["params"] for group in optimizer.param_groups]
        sample = [p for group in groups for p in islice((q for q in group if _has(q)), _MARKED)]
        self._used[id(optimizer)] = Mark(sample)

    def used(self, parameters: Sequence[Tensor]) -> float:
        """1 if a step has used these parameters' present gradients, 0 if not, NaN if no watched optimizer holds them."""
        marks = [mark for mark in self._used.values() if mark.knows(parameters)]
        if not marks:
            return float("nan")
        return float(any(mark.unchanged(parameters) for mark in marks))

    def alive(self) -> list[Any]:
        """The optimizers that still exist, in the order they were given."""
        return [found for ref in self._optimizers if (found := ref()) is not None]

    def names(self) -> str:
        """Class names, comma-separated."""
        return ", ".join(dict.fromkeys(type(optimizer).__name__ for optimizer in self.alive()))

    def layers(self, model: Parameters) -> list[Record]:
        """Size of each parameter, and whether an optimizer holds it (NaN while none is known)."""
        held = {id(p) for o in self.alive() for g in o.param_groups for p in g["params"]}
        known = bool(self._optimizers)
        flags = [float(id(p) in held) if known else np.nan for p in model.tensors]
        sizes = [p.numel() for p in model.tensors]
        return [
            Record(PARAMETER_SIZE, model.names, np.array(sizes, np.float32)),
            Record(PARAMETER_HELD, model.names, np.array(flags, np.float32)),
        ]

    def groups(self) -> Sample:
        """Learning rate and momentum of every parameter group."""
        optimizers = self.alive()
        groups = {
            _group_name(o, g, len(optimizers)): group
            for o, optimizer in enumerate(optimizers)
            for g, group in enumerate(optimizer.param_groups)
        }
        rates = [torch.as_tensor(group.get("lr", float("nan"))) for group in groups.values()]
        momenta = [torch.as_tensor(_momentum(group)) for group in groups.values()]

        def finish(arrays: Sequence[Floats]) -> list[Record]:
            values, half = np.concatenate(arrays), len(groups)
            return [
                Record(LEARNING_RATE, tuple(groups), values[:half]),
                Record(MOMENTUM, tuple(groups), values[half:]),
            ]

        return Sample([*rates, *momenta], finish)


def loss_scale(scaler: Any, optimizers: Sequence[Any]) -> float:
    """The factor the gradients carry now: 1 once `unscale_` has run or when scaling is off."""
    if not scaler.is_enabled():
        return 1.0
    states = getattr(scaler, "_per_optimizer_states", {})
    stages = [states[id(o)]["stage"].name for o in optimizers if id(o) in states]
    return 1.0 if "UNSCALED" in stages else float(scaler.get_scale())


def amp(scaler: Any) -> Sample:
    """The loss scale."""
    scale = torch.tensor(float(scaler.get_scale()))
    return Sample([scale], lambda arrays: [Record(AMP_SCALE, ("",), arrays[0])])


def _has(parameter: Tensor) -> bool:
    return parameter.grad is not None


def _group_name(optimizer: int, group: int, optimizers: int) -> str:
    return f"group {group}" if optimizers == 1 else f"optimizer {optimizer} group {group}"


def _momentum(group: dict[str, Any]) -> Any:
    betas = group.get("betas")
    return betas[0] if betas else group.get("momentum", float("nan"))
