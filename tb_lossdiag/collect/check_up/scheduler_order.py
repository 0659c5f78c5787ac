"""Whether a learning rate scheduler moves before its optimizer's first step."""

from __future__ import annotations

import math
from typing import Any

from tb_lossdiag.collect.check_up.subject import Subject

_Progress = tuple[int, int]


class FirstStep:
    """Compares a scheduler's progress before and at the optimizer's first step."""

    def __init__(self, subject: Subject) -> None:
        """Note the progress now, if the optimizer has made no step yet."""
        self._subject = subject
        optimizer = subject.optimizer
        started = getattr(optimizer, "_opt_called", False) or bool(
            getattr(optimizer, "state", None)
        )
        self._before = None if started else _progress(subject.scheduler)

    def scheduler_early(self) -> float:
        """Asked at every step: 1 if the scheduler moved before the first one, 0 if not, NaN at any later step."""
        before, self._before = self._before, None
        now = _progress(self._subject.scheduler)
        if before is None or now is None:
            return math.nan
        # By more than one call, a checkpoint was loaded.
        return float(now == (before[0] + 1, before[1] + 1))


def _progress(scheduler: Any) -> _Progress | None:
    """(epoch, calls of `step`), the initial one included."""
    epoch, count = getattr(scheduler, "last_epoch", None), getattr(scheduler, "_step_count", None)
    return (epoch, count) if isinstance(epoch, int) and isinstance(count, int) else None
