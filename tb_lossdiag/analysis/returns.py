"""Whether a loss grew because what it is to predict did: values that the training itself makes anew."""

from __future__ import annotations

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.curve import Curve
from tb_lossdiag.analysis.levels import median
from tb_lossdiag.analysis.reinforcement import targets_are_renewed, value_calls
from tb_lossdiag.run import Run

_HALF = 0.5
"""Of what the loss was beside its targets; values that run away keep theirs."""
_LENGTHS = ("l1_loss", "smooth_l1_loss", "huber_loss")
"""Calls that grow with what they compare, not with its square, once it is large."""
_FEW = 3
"""Check-ups whose middle one batch does not decide."""


def outgrown_by_targets(run: Run, loss: Curve) -> bool:
    """Whether targets that the training makes anew have grown so that the loss is half of what it was beside them, or less.

    An agent whose returns grow has more to predict: its error rises while it learns, and says nothing against its steps. Values that run away
    grow with their own error, which stays the same share of them. Reads what `targets_are_renewed` does.
    """
    if not targets_are_renewed(run) or q.CALL_TARGET_STD not in run or loss.start <= 0:
        return False
    grown = [_growth(run, call) for call in value_calls(run)]
    known = [times for times in grown if times is not None]
    end = float(np.median(loss.values[loss.row(0.75) :]))
    return bool(known) and end <= _HALF * min(known) * loss.start


def _growth(run: Run, call: str) -> float | None:
    """Size of a call's targets, in the loss's unit, in the last third of the check-ups over that in the first; None of too few."""
    mean, spread = (
        run[each].column(call).astype(np.float64)
        for each in (q.CALL_TARGET_MEAN, q.CALL_TARGET_STD)
    )
    sizes = np.hypot(mean, spread) ** (1 if q.function(call) in _LENGTHS else 2)
    known = sizes[np.isfinite(sizes)]
    third = len(known) // 3
    first = float(median(known[:third])) if third >= _FEW else 0.0
    return float(median(known[-third:])) / first if first > 0 else None
