"""Which term of a loss is the sum over a batch that a loss call makes, and over how many samples."""

from __future__ import annotations

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.loss_calls import calls_if_any
from tb_lossdiag.run import Run

_SAME = 1e-3
"""Relative difference of a call's value and the recorded term: float32 and bfloat16 round."""
_FEWEST = 3
"""Check-ups; values of two may agree by chance."""


def summed_over(run: Run, term: str) -> float:
    """Samples that a term adds up; 1 where no summed call has its very values.

    Reads `LOSS_TERM`, and `CALL_VALUE`, `CALL_SUMMED` and `CALL_SAMPLES` if they are there.
    """
    table = run[q.LOSS_TERM]
    for call in calls_if_any(run):
        value, mine = call.of(q.CALL_VALUE), table.at(call.steps, (term,))[:, 0]
        known = np.isfinite(value) & np.isfinite(mine)
        same = np.isclose(value[known], mine[known], rtol=_SAME)
        summed = call.of(q.CALL_SUMMED)[known]
        if known.sum() >= _FEWEST and same.all() and (summed == 1).all():
            return max(call.typical(q.CALL_SAMPLES), 1.0)
    return 1.0
