"""Whether a term that was recorded without a path is a part of the loss without one."""

from __future__ import annotations

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.records import Doubles, Floats
from tb_lossdiag.run import Run

_EXACT = 1e-4
"""Relative; float32 rounds by 1e-7 in each of a few sums."""


_MARGIN = 0.02
"""Of a whole number, for what float32 leaves."""
_COARSE = 128.0
"""Whole numbers up to that many are a count; finer steps may be the rounding of bfloat16, which has 7 bits."""
_COUNTS = 30
"""Records; of so many numbers that are no counts, not all are whole multiples of one."""
_KINDS = 3
"""Different numbers, between which a step can be told."""


def is_count(values: Floats | Doubles) -> bool:
    """Whether these numbers are all whole multiples of one step, as what is counted is: no gradient leads to it.

    >>> rng = np.random.default_rng(0)
    >>> is_count(1.7 * rng.integers(0, 9, 50) / 32), is_count(rng.normal(size=50))
    (True, False)
    """
    known = values[np.isfinite(values)].astype(np.float64)
    steps = np.unique(known)
    if len(known) < _COUNTS or len(steps) < _KINDS:
        return False
    most = float(np.abs(known).max())
    apart = np.diff(np.append(0.0, steps) if steps[0] > 0 else steps)
    apart = apart[apart > _EXACT * most]
    if not len(apart):
        return False
    # A sum of several gaps is known better than one of them.
    step = float(apart.min())
    step = most / max(round(most / step), 1)
    whole = known / step
    return most / step < _COARSE and bool((np.abs(whole - np.round(whole)) <= _MARGIN).all())


def is_added_without_path(run: Run, term: str, least: int) -> bool:
    """Whether the loss is the sum with this term, and fewer parts of that sum have a path than there are terms, or the term is a count.

    A term of several parts hides one that lacks a path; but what is counted has no twin with a path, of which it could be the record.

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
        fewer = seen.values[:, 0] < (parts != 0).sum(axis=1)
        says = summed & (fewer | is_count(terms.column(term)))
    return int(known.sum()) >= least and bool(says[known].all())
