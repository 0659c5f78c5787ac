"""Whether a term that was recorded without a path is a part of the loss without one."""

from __future__ import annotations

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.run import Run

_EXACT = 1e-4
"""Relative; float32 rounds by 1e-7 in each of a few sums."""


def is_added_without_path(run: Run, term: str, least: int) -> bool:
    """Whether the loss is the sum with this term, and fewer parts of that sum have a path than there are terms.

    Reads `LOSS` and `ATTACHED_ADDENDS` beside terms and weights, if they are there.

    Args:
        run: the run.
        term: that was recorded without a path.
        least: check-ups that must all say so.
    """
    if q.ATTACHED_ADDENDS not in run or q.LOSS not in run:
        return False
    seen = run[q.ATTACHED_ADDENDS]
    if len(seen.columns) > 1 or len(seen) < least:
        return False
    terms = run[q.LOSS_TERM]
    values, weights = (
        run[each].at(seen.steps, terms.columns) for each in (q.LOSS_TERM, q.LOSS_WEIGHT)
    )
    parts = (values * weights).astype(np.float64)
    total = run[q.LOSS].at(seen.steps)[:, 0]
    scale = _EXACT * np.abs(parts).sum(axis=1)
    with np.errstate(invalid="ignore"):
        summed = np.abs(total - parts.sum(axis=1)) <= scale
        known = ~np.isnan(total) & (parts[:, terms.columns.index(term)] != 0)
        says = summed & (seen.values[:, 0] < (parts != 0).sum(axis=1))
    return int(known.sum()) >= least and bool(says[known].all())
