"""How far a run has come, for rules that ask whether a defect does harm."""

from __future__ import annotations

import numpy as np

from tb_lossdiag.quantities import LOSS, LOSS_NONFINITE
from tb_lossdiag.records import Run
from tb_lossdiag.rules.curve import curve

_LEAST = 10
"""Records below which a fall says nothing."""


def fall(run: Run) -> float | None:
    """Share of the starting loss lost by the end; None where the loss is unknown, short, or may be negative.

    The start is the first record, or the level of the first three if that is lower: a loss that leaps up and comes back has won
    nothing.
    """
    if LOSS not in run:
        return None
    loss = curve(run[LOSS])
    if len(loss) < _LEAST or loss.may_be_negative or not np.isfinite(loss.level[-1]):
        return None
    start = min(float(loss.values[0]), loss.start)
    return 1 - float(loss.level[-1]) / start if 0 < start < np.inf else None


def broke(run: Run) -> bool:
    """Whether any recorded loss was NaN or infinite."""
    return LOSS_NONFINITE in run and bool(np.any(run[LOSS_NONFINITE].values > 0))


def has_learned(run: Run, least: float) -> bool:
    """Whether the loss is known to have lost at least this share and never broke."""
    lost = fall(run)
    return lost is not None and lost >= least and not broke(run)
