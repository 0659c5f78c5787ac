"""What a run came to, beside what is wrong with it: when it ran, where its losses began, ended and were best, what was set."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tb_lossdiag.quantities import (
    CLIP_BOUND,
    CLIP_CALLS,
    CLIP_GLOBAL_NORM,
    GLOBAL_NORM,
    LOSS,
    VALIDATION_LOSS,
    Quantity,
)
from tb_lossdiag.report.settings import settings
from tb_lossdiag.run import Run

Json = dict[str, Any]


def measures(run: Run) -> Json:
    """Seconds since 1970 of the first and newest record, losses, and settings by name; None for what was not recorded."""
    times = [float(time) for table in run.tables.values() for time in table.walltimes[[0, -1]]]
    finite = [time for time in times if math.isfinite(time)]
    first, last, best = _losses(run, LOSS)
    norms = GLOBAL_NORM if GLOBAL_NORM in run else CLIP_GLOBAL_NORM
    _, validation_last, validation_best = _losses(run, VALIDATION_LOSS)
    return {
        "begun": min(finite, default=None),
        "newest": max(finite, default=None),
        "loss_first": first,
        "loss_last": last,
        "loss_best": best,
        "validation_last": validation_last,
        "validation_best": validation_best,
        "gradient_norm_last": _losses(run, norms)[1],
        "clip_rate": _clip_rate(run),
        "settings": dict(settings(run)),
    }


def _losses(run: Run, quantity: Quantity) -> tuple[float | None, float | None, float | None]:
    """The first, the last and the smallest that was a number."""
    if quantity not in run:
        return None, None, None
    values = [float(v) for v in run[quantity].values[:, 0] if math.isfinite(v)]
    return (values[0], values[-1], min(values)) if values else (None, None, None)


def _clip_rate(run: Run) -> float | None:
    """Share of the clips that changed the gradients."""
    if CLIP_BOUND not in run or CLIP_CALLS not in run:
        return None
    calls = float(np.nansum(run[CLIP_CALLS].values))
    return float(np.nansum(run[CLIP_BOUND].values)) / calls if calls else None
