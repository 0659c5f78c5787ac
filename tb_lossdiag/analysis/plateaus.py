"""Whether a loss never left the level that knowing nothing costs, and whether the training has had its time."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.curve import Curve
from tb_lossdiag.analysis.loss_calls import calls_if_any
from tb_lossdiag.analysis.rates import largest_rate
from tb_lossdiag.records import Doubles
from tb_lossdiag.run import Run

_PARTS = 8
"""Of a run; a level of fewer records is noise, one of more hides a fall that came back."""
_SAME = 1e-3
"""Relative difference of a call's value and the recorded loss: float32 and bfloat16 round."""
_SPENT = 0.05
"""Rate at the end over its peak: what a decay to 0 has left when its training is done."""


def eighths(loss: Curve) -> Doubles:
    """float64[at most 8]: the median of each eighth of the run that has a record."""
    bounds = [loss.row(part / _PARTS) for part in range(_PARTS)] + [len(loss)]
    parts = [loss.values[first:end] for first, end in pairwise(bounds) if end > first]
    return np.array([np.median(part) for part in parts])


def margin_of(run: Run, loss: Curve) -> tuple[str, float] | None:
    """The triplet loss that the recorded loss is, by its value in the check-ups, and its margin.

    Reads `CALL_MARGIN` and `CALL_VALUE` if they are there.
    """
    known = calls_if_any(run)
    if len(known) != 1:
        return None
    margin, value = known[0].typical(q.CALL_MARGIN), known[0].of(q.CALL_VALUE)
    _, ours, theirs = np.intersect1d(loss.steps, known[0].steps, return_indices=True)
    same = np.isclose(loss.values[ours], value[theirs], rtol=_SAME)
    return (known[0].name, margin) if len(ours) and same.all() and margin > 0 else None


def rate_is_spent(run: Run) -> bool:
    """Whether the learning rate has come down to next to nothing of its peak: no later step will change much.

    Reads `LEARNING_RATE` if it is there.
    """
    if q.LEARNING_RATE not in run:
        return False
    _, rates = largest_rate(run)
    return bool(len(rates) and rates[-1] <= _SPENT * rates.max())
