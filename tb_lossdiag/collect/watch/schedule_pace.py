"""How far a schedule has come beside its optimizer, and after how many calls it is over."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from torch.optim import lr_scheduler as schedulers

from tb_lossdiag.quantities import SCHEDULE_CALLS, SCHEDULE_LENGTH, SCHEDULE_STEPS
from tb_lossdiag.records import Record

_FIRST = 20
"""Steps until the second look; from then on twice as many each time."""


class SchedulePace:
    """Notes a scheduler's calls, after ever more steps.

    Args:
        name: of the watched model.
        scheduler: gives it, None without.
    """

    def __init__(self, name: str, scheduler: Callable[[], Any]) -> None:
        self._name, self._scheduler = name, scheduler
        self._due = 0

    def news(self, taken: int) -> list[Record]:
        """What there is to record when the optimizer has taken so many steps."""
        if taken < self._due:
            return []
        scheduler = self._scheduler()
        scheduler = getattr(scheduler, "scheduler", scheduler)  # what Accelerate puts around it
        calls, length = getattr(scheduler, "last_epoch", None), length_of(scheduler)
        if not (length and isinstance(calls, int)):
            return []
        self._due = max(_FIRST, 2 * taken)
        numbers = {SCHEDULE_LENGTH: length, SCHEDULE_CALLS: calls, SCHEDULE_STEPS: taken}
        return [Record(q, (self._name,), np.array([n], np.float32)) for q, n in numbers.items()]


def length_of(scheduler: Any) -> int:
    """Calls after which a falling schedule is over; 0 for one that has no end, only rises, or does not say.

    >>> import torch
    >>> optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    >>> length_of(schedulers.CosineAnnealingLR(optimizer, T_max=90))
    90
    >>> length_of(schedulers.LinearLR(optimizer, 0.1, total_iters=10))
    0
    """
    if isinstance(scheduler, schedulers.SequentialLR):
        last, milestones = scheduler._schedulers[-1], scheduler._milestones  # noqa: SLF001
        end = length_of(last)
        return _whole(milestones[-1] + end) if end else 0
    if isinstance(scheduler, schedulers.LambdaLR):
        return _of_lambdas(scheduler)
    if isinstance(scheduler, schedulers.LinearLR):
        return _whole(scheduler.total_iters) if scheduler.end_factor < scheduler.start_factor else 0
    for kind, name in _ENDS.items():
        if isinstance(scheduler, kind):
            return _whole(getattr(scheduler, name, 0))
    return 0


_ENDS: dict[type, str] = {
    schedulers.CosineAnnealingLR: "T_max",
    schedulers.PolynomialLR: "total_iters",
    schedulers.OneCycleLR: "total_steps",
}


def _of_lambdas(scheduler: Any) -> int:
    """Transformers' schedules know the training's steps as a keyword."""
    known = [getattr(each, "keywords", None) or {} for each in scheduler.lr_lambdas]
    return max((_whole(each.get("num_training_steps", 0)) for each in known), default=0)


def _whole(number: Any) -> int:
    try:
        return int(number)
    except (TypeError, ValueError, OverflowError):
        return 0
