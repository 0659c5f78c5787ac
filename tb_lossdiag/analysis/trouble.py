"""Whether a loss goes wrong in a way that steps of the wrong size explain."""

from __future__ import annotations

import numpy as np

from tb_lossdiag.analysis.curve import Curve, divergence

_NEVER = 0.9
"""Second half of a loss over its start; above, a tenth was never won."""
_AT_ONCE = 2.0
"""Level of the first three records over the first one; above, the first step broke it already."""


def never_fell(loss: Curve) -> bool:
    """Whether the second half of the loss is no better than its start."""
    first = float(loss.values[0])
    at_once = loss.start > _AT_ONCE * first
    start = first if at_once else max(first, loss.start)
    return bool(np.median(loss.values[len(loss) // 2 :]) > _NEVER * start)


def goes_wrong(loss: Curve, least: int, max_noise: float) -> bool:
    """Whether the loss diverges, or jumps and never falls.

    Args:
        loss: the curve, never negative.
        least: records of a divergence.
        max_noise: noise from record to record over the level of the second half; above, it jumps.
    """
    if divergence(loss, 2.0, least, 0.1) is not None:
        return True
    late = float(np.median(loss.values[len(loss) // 2 :]))
    return loss.noise > max_noise * late and never_fell(loss)
