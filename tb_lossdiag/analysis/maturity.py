"""Whether a run has been recorded long enough to be judged as a whole."""

from __future__ import annotations

import numpy as np

from tb_lossdiag.analysis.curve import Curve
from tb_lossdiag.analysis.parameters import rate
from tb_lossdiag.diagnosis.rule import NotEnough, Text
from tb_lossdiag.run import Run


def needs_beginning(loss: Curve) -> None:
    """Raise `NotEnough` for a run that was resumed, or recorded late: it may have learned before."""
    gap = float(np.median(np.diff(loss.steps)))
    if loss.steps[0] > 10 * gap:
        raise NotEnough(Text("records from the beginning of the training"))


def needs_full_rate(run: Run, loss: Curve) -> None:
    """Raise `NotEnough` while the rate is still warming up: learning has hardly begun. Reads `LEARNING_RATE`."""
    middle, last, full = (
        rate(run, int(loss.steps[len(loss) // 2])),
        rate(run, int(loss.steps[-1])),
        rate(run),
    )
    if middle is not None and last is not None and last == full and middle < 0.7 * last:
        raise NotEnough(Text("records after the learning rate's warm-up"))
