"""Whether a loss has only ever risen, by nothing that is known to make it rise."""

from __future__ import annotations

import math

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import columns
from tb_lossdiag.analysis.curve import Curve, curve_of
from tb_lossdiag.analysis.early_fall import Level, level_of
from tb_lossdiag.analysis.plateaus import eighths
from tb_lossdiag.analysis.progress import below_baseline
from tb_lossdiag.analysis.trend import rising
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.run import Run

_PARTS = 8
_TREND = 2.5
"""Standard deviations of Mann and Kendall's statistic: of eight levels at most three pairs are out of order."""
_OTHER = 0.2
"""Relative change of data or weights; batches of one kind of data differ by a tenth."""


def climbs(run: Run, loss: Curve, end: Level, share: float) -> bool:
    """Whether a loss was never below its start, rises up to the end, and knows no more than a constant answer.

    What makes a loss larger without harm excuses it: other inputs or targets, terms that are weighted up, lessons that get harder, of
    which the validation loss tells. Reads `INPUT_STD`, `CALL_TARGET_STD`, `LOSS_WEIGHT`, `VALIDATION_LOSS` and what `below_baseline` reads, if they are there.

    Args:
        run: the run.
        loss: its loss.
        end: the level of its last quarter.
        share: of the start; who lay below by more has learned.
    """
    levels, start = eighths(loss), level_of(loss, 0, 3)
    least = (1 - share) * start.value - 2 * start.error
    if len(levels) < _PARTS or rising(levels) < _TREND or levels.min() < least:
        return False
    early = level_of(loss, 0, loss.row(1 / _PARTS))
    surely = end.value - early.value > 2 * math.hypot(early.error, end.error)
    return surely and not _excused(run)


def _excused(run: Run) -> bool:
    changed = any(_changed(run, each) for each in (q.INPUT_STD, q.CALL_TARGET_STD, q.LOSS_WEIGHT))
    return changed or below_baseline(run) is True or _validation_falls(run)


def _changed(run: Run, quantity: Quantity) -> bool:
    """Whether any column of it ends elsewhere than it began."""
    known = (values for _, _, values in columns(run, quantity))
    return any(len(v) and abs(v[-1] - v[0]) > _OTHER * abs(v[0]) for v in known)


def _validation_falls(run: Run) -> bool:
    if q.VALIDATION_LOSS not in run:
        return False
    values = curve_of(run, q.VALIDATION_LOSS).values
    third = max(len(values) // 3, 1)
    return bool(len(values) > 1 and np.median(values[-third:]) < np.median(values[:third]))
