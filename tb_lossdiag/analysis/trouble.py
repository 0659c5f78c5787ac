"""Whether a loss goes wrong in a way that steps of the wrong size explain."""

from __future__ import annotations

import numpy as np

from tb_lossdiag.analysis.curve import Curve

_NEVER = 0.9
"""Second half of a loss over its start; above, a tenth was never won."""
_AT_ONCE = 2.0
"""Level of the first three records over the first one; above, the first step broke it already."""


def never_fell(loss: Curve) -> bool:
    """Whether the second half of the loss is no better than its start."""
    first = float(loss.values[0])
    at_once = loss.start > _AT_ONCE * first
    start = first if at_once else max(first, loss.start)
    return bool(np.median(loss.values[loss.row(0.5) :]) > _NEVER * start)


def jumps(loss: Curve, max_noise: float) -> bool:
    """Whether its noise from record to record is more than this share of its level in the second half."""
    late = float(np.median(loss.values[loss.row(0.5) :]))
    return loss.noise > max_noise * late
