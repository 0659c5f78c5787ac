"""The learning rate of a run as one number a step."""

from __future__ import annotations

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.records import Doubles, Steps
from tb_lossdiag.run import Run


def largest_rate(run: Run) -> tuple[Steps, Doubles]:
    """The largest rate of all groups at each record of any; a group keeps its rate until it has another.

    Several optimizers may be recorded at different steps.
    """
    table = run[q.LEARNING_RATE]
    known = np.isfinite(table.values)
    rows = np.maximum.accumulate(np.where(known, np.arange(len(table))[:, None], -1), axis=0)
    kept = np.take_along_axis(table.values, np.maximum(rows, 0), axis=0)
    rates = np.where(rows >= 0, kept, -1.0).max(axis=1, initial=-1.0).astype(np.float64)
    there = rates >= 0
    return table.steps[there], rates[there]


def leading_group(run: Run) -> str:
    """The group with the largest rate."""
    table = run[q.LEARNING_RATE]
    return table.columns[int(np.argmax(np.nan_to_num(table.values, nan=-1.0).max(axis=0)))]
