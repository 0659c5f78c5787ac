"""Two schedules of one optimizer, one of which writes its own rate over what the other has made of it."""

from __future__ import annotations

import math
import weakref
from collections.abc import Iterable
from typing import Any

from torch.optim import lr_scheduler as schedulers

from tb_lossdiag.quantities import OVERWRITTEN

_WRITES = (schedulers.LambdaLR, schedulers.OneCycleLR)
"""These make each rate of the first one, whatever it has become since."""
_MULTIPLIES = (
    schedulers.StepLR,
    schedulers.MultiStepLR,
    schedulers.ExponentialLR,
    schedulers.CosineAnnealingLR,
    schedulers.PolynomialLR,
)
"""These make it of the one before, and can say what it would be by now."""
_MOVED = math.log(1.25)
"""A fifth less, at least, is what the other would have come to."""
_NEAR = 0.2
"""Share of that way; what one step of it adds until it is written over is far less."""
_TWICE = 2
"""Looks in a row between which both were stepped; a warm-up ends where the other begins."""


class TwoSchedules:
    """Looks at pairs of schedules that were both stepped since the last look.

    Args:
        optimizer: whose they are.
    """

    def __init__(self, optimizer: Any) -> None:
        self._optimizer = weakref.ref(optimizer)
        self._pairs: list[tuple[weakref.ref[Any], weakref.ref[Any]]] = []
        self._calls: dict[int, tuple[int, int]] = {}
        self._rounds: dict[int, int] = {}

    def know(self, found: Iterable[Any]) -> None:
        """These hold the optimizer."""
        all_of = list(found)
        writers = [one for one in all_of if type(one) in _WRITES]
        others = [one for one in all_of if type(one) in _MULTIPLIES]
        self._pairs = [(weakref.ref(a), weakref.ref(b)) for a in writers for b in others]

    def words(self) -> dict[str, str]:
        """Which writes over which, once that shows."""
        optimizer = self._optimizer()
        for place, (writer, other) in enumerate(self._pairs):
            a, b = writer(), other()
            if optimizer is None or a is None or b is None or not self._both_stepped(place, a, b):
                continue
            if _written_over(optimizer, a, b):
                self._pairs = []
                return {OVERWRITTEN: f"{type(a).__name__} {type(b).__name__}"}
        return {}

    def _both_stepped(self, place: int, a: Any, b: Any) -> bool:
        now = int(a.last_epoch), int(b.last_epoch)
        before = self._calls.get(place, now)
        self._calls[place] = now
        both = now[0] > before[0] and now[1] > before[1]
        self._rounds[place] = self._rounds.get(place, 0) + 1 if both else 0
        return self._rounds[place] >= _TWICE


def _written_over(optimizer: Any, a: Any, b: Any) -> bool:
    """The rate is what the one wrote, and nothing is left in it of the other."""
    rate, wrote = float(optimizer.param_groups[0]["lr"]), float(a.get_last_lr()[0])
    first, would = float(b.base_lrs[0]), float(b._get_closed_form_lr()[0])  # noqa: SLF001
    if min(rate, wrote, first, would) <= 0:
        return False
    moved = abs(math.log(would / first))
    return moved >= _MOVED and abs(math.log(rate / wrote)) <= _NEAR * moved
