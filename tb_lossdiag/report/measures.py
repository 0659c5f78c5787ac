"""What a run came to, beside what is wrong with it: when it ran, where its losses began, ended and were best, what was set."""

from __future__ import annotations

import math
from typing import Any

from tb_lossdiag.quantities import LOSS, VALIDATION_LOSS, Quantity
from tb_lossdiag.report.settings import settings
from tb_lossdiag.run import Run

Json = dict[str, Any]


def measures(run: Run) -> Json:
    """Seconds since 1970 of the first and newest record, losses, and settings by name; None for what was not recorded."""
    times = [float(time) for table in run.tables.values() for time in table.walltimes[[0, -1]]]
    finite = [time for time in times if math.isfinite(time)]
    first, last, best = _losses(run, LOSS)
    _, validation_last, validation_best = _losses(run, VALIDATION_LOSS)
    return {
        "begun": min(finite, default=None),
        "newest": max(finite, default=None),
        "loss_first": first,
        "loss_last": last,
        "loss_best": best,
        "validation_last": validation_last,
        "validation_best": validation_best,
        "settings": dict(settings(run)),
    }


def _losses(run: Run, quantity: Quantity) -> tuple[float | None, float | None, float | None]:
    """The first, the last and the smallest that was a number."""
    if quantity not in run:
        return None, None, None
    values = [float(v) for v in run[quantity].values[:, 0] if math.isfinite(v)]
    return (values[0], values[-1], min(values)) if values else (None, None, None)
