"""The backward passes of a step, as the check-ups saw them."""

from __future__ import annotations

import numpy as np

from tb_lossdiag.quantities import Quantity
from tb_lossdiag.records import Doubles, Steps
from tb_lossdiag.run import Run


def at_any_watch(run: Run, quantity: Quantity, steps: Steps, unknown: float) -> Doubles:
    """float64[len(steps)]: the largest value over the watched models, to one of which a loss call belongs; `unknown` without one."""
    return _of_watches(run, quantity, steps, unknown)


def at_every_watch(run: Run, quantity: Quantity, steps: Steps, unknown: float) -> Doubles:
    """float64[len(steps)]: the smallest value over the watched models: what is 0 for one of them may be what a call belongs to; `unknown` without one."""
    return -_of_watches(run, quantity, steps, -unknown, -1.0)


def _of_watches(
    run: Run, quantity: Quantity, steps: Steps, unknown: float, sign: float = 1.0
) -> Doubles:
    """The largest of what the watched models have, times `sign`."""
    if quantity not in run:
        return np.full(len(steps), unknown)
    table = run[quantity]
    values = sign * table.at(steps, table.columns).astype(np.float64)
    known = np.isfinite(values)
    return np.where(known.any(axis=1), np.where(known, values, -np.inf).max(axis=1), unknown)
