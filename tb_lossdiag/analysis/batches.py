"""Which rows of the data a step was taken with, in words, and how many a loss is the mean of."""

from __future__ import annotations

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import latest
from tb_lossdiag.analysis.loss_calls import BINARY, CLASSES, calls_if_any
from tb_lossdiag.diagnosis.rule import Text
from tb_lossdiag.quantities import LOSS
from tb_lossdiag.quantities.batches import rows_of
from tb_lossdiag.run import Run

_ROWS = Text(" The batch of step {step} held the rows `{rows}`.")
_UNKNOWN = Text("")
_ALIKE = 2.0
"""Times the call's value; a record covers several steps, of which the check-up saw one."""


def batch_of(run: Run, step: int) -> Text:
    """A sentence on the rows of a step; empty where nobody said them (`writer.data`)."""
    rows = rows_of(run.facts, step)
    return _ROWS.format(step=str(step), rows=rows) if rows else _UNKNOWN


def exact_step(run: Run, step: int) -> int:
    """The step at which the loss was highest within the record of a step. Reads `LOSS`."""
    row = int(np.searchsorted(run[LOSS].steps, step))
    return run.highest_step(LOSS, row, 0)


def samples_of_classes(run: Run) -> float:
    """Samples that the loss of a step is the mean of, where it is one call's cost of their classes; infinite where that is not known.

    Reads `LOSS`, and `CALL_VALUE`, `CALL_SAMPLES`, `CALL_PASSES`, `CALL_SUMMED` and `CALL_WEIGHTED` if they are there.
    """
    seen = calls_if_any(run)
    if len(seen) != 1 or seen[0].function not in (*CLASSES, *BINARY):
        return np.inf
    (call,) = seen
    logged = latest(run[LOSS], call.steps, run[LOSS].columns[:1])[:, 0]
    times = logged / call.of(q.CALL_VALUE)
    typical = float(np.median(times[np.isfinite(times)])) if np.isfinite(times).any() else np.nan
    changed = (call.of(q.CALL_SUMMED) == 1) | (call.of(q.CALL_WEIGHTED) == 1)
    if not 1 / _ALIKE <= typical <= _ALIKE or changed.any():
        return np.inf
    samples = call.typical(q.CALL_SAMPLES) * max(np.nan_to_num(call.typical(q.CALL_PASSES)), 1.0)
    return samples if np.isfinite(samples) else np.inf
