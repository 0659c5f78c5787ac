"""Which rows of the data a step was taken with, in words."""

from __future__ import annotations

import numpy as np

from tb_lossdiag.diagnosis.rule import Text
from tb_lossdiag.quantities import LOSS
from tb_lossdiag.quantities.batches import rows_of
from tb_lossdiag.run import Run

_ROWS = Text(" The batch of step {step} held the rows `{rows}`.")
_UNKNOWN = Text("")


def batch_of(run: Run, step: int) -> Text:
    """A sentence on the rows of a step; empty where nobody said them (`writer.data`)."""
    rows = rows_of(run.facts, step)
    return _ROWS.format(step=str(step), rows=rows) if rows else _UNKNOWN


def exact_step(run: Run, step: int) -> int:
    """The step at which the loss was highest within the record of a step. Reads `LOSS`."""
    row = int(np.searchsorted(run[LOSS].steps, step))
    return run.highest_step(LOSS, row, 0)
