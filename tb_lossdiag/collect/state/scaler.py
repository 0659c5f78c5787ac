"""What a GradScaler does: its scale, and the steps it skips."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from tb_lossdiag.collect.state.measurement import Measurement
from tb_lossdiag.quantities import AMP_SCALE, AMP_SKIPPED, Quantity
from tb_lossdiag.records import Record

_UNSCALED = frozenset({"UNSCALED", "STEPPED"})
"""Stages of an optimizer whose gradients carry no scale any more."""
_NONE: dict[int, Any] = {}


def is_unscaled(scaler: Any, optimizers: Sequence[Any]) -> bool:
    """Whether gradients carry no scale now: `unscale_` has run for one of these optimizers (any, if none is known), or scaling is off."""
    if not scaler.is_enabled():
        return True
    states = getattr(scaler, "_per_optimizer_states", {})
    some = [states[id(o)] for o in optimizers if id(o) in states] if optimizers else states.values()
    stages = [state["stage"].name for state in some]
    return any(stage in _UNSCALED for stage in stages)


def loss_scale(scaler: Any, optimizers: Sequence[Any]) -> float:
    """The factor the gradients carry now: 1 once `unscale_` has run or when scaling is off."""
    return 1.0 if is_unscaled(scaler, optimizers) else float(scaler.get_scale())


def scale(scaler: Any) -> Measurement:
    """The loss scale alone, where steps are not watched or none is taken."""
    records = [_one(AMP_SCALE, float(scaler.get_scale()))]
    return Measurement([], lambda _: records)


def steps_unscaled(scaler: Any, optimizer: Any) -> bool:
    """Whether an optimizer that this enabled scaler calls steps with gradients that carry no scale; `is_unscaled` in fewer calls."""
    state = getattr(scaler, "_per_optimizer_states", _NONE).get(id(optimizer))
    return state is not None and state["stage"].name in _UNSCALED


class Scale(NamedTuple):
    """What a step by a scaler has of it.

    Attributes:
        scale: the loss scale.
        skipped: steps that were skipped since the last one that was taken.
    """

    scale: float
    skipped: int

    def records(self) -> list[Record]:
        """As records."""
        return [_one(AMP_SCALE, self.scale), _one(AMP_SKIPPED, self.skipped)]


class ScaleWatch:
    """Counts skipped steps by what they do to the scale: each one multiplies it by the backoff factor.

    What a call of `add_diagnostics` finds skipped waits until it is known whether the step of that number is taken after all, whose own
    record then says it.
    """

    def __init__(self, scaler: Any) -> None:
        """Watch one scaler."""
        self.scaler = scaler
        self._expected = float(scaler.get_scale())
        self._waiting: tuple[int, int] | None = None

    def step(self) -> Scale | None:
        """Scale now, and steps skipped since the last step that was taken; call it inside one, before `scaler.update()`. None without scaling."""
        state = self.scaler.state_dict()
        if not state:  # scaling is off
            return None
        scale = state["scale"]
        skipped = skips(self._expected, scale, state["backoff_factor"])
        grows = state["_growth_tracker"] + 1 >= state["growth_interval"]
        self._expected = scale * state["growth_factor"] if grows else scale
        _, before = self._waiting or (0, 0)
        self._waiting = None
        return Scale(scale, skipped + before)

    def call(self, step: int) -> Iterator[tuple[int, Record]]:
        """Scale now, and what is known to be skipped, with its step, where none was taken since the last call: no hook of such a one runs."""
        state = self.scaler.state_dict()
        if not state:
            return
        yield from self.rest()
        scale = state["scale"]
        yield step, _one(AMP_SCALE, scale)
        count = skips(self._expected, scale, state["backoff_factor"])
        self._expected = scale
        if count or scale == 0:  # which can fall no further, and takes no step
            self._waiting = step, count or 1

    @property
    def skips(self) -> bool:
        """Whether the newest call found a step skipped."""
        return self._waiting is not None

    def rest(self) -> Iterator[tuple[int, Record]]:
        """What the last call found: it is known now."""
        if self._waiting is not None:
            (step, count), self._waiting = self._waiting, None
            yield step, _one(AMP_SKIPPED, count)


def scale_watch(scaler: Any) -> ScaleWatch | None:
    """A watch of this scaler, if there is one."""
    return None if scaler is None else ScaleWatch(scaler)


def _one(quantity: Quantity, value: float) -> Record:
    return Record(quantity, ("",), np.array([value], np.float32))


def skips(before: float, after: float, backoff: float) -> int:
    """Skipped steps that take the scale from one value to another.

    >>> skips(65536.0, 16384.0, 0.5), skips(65536.0, 131072.0, 0.5)
    (2, 0)
    """
    if not 0 < after < before or not 0 < backoff < 1:
        return 0
    return round(math.log(after / before) / math.log(backoff))
