"""Whether a run has been recorded long enough to be judged as a whole."""

from __future__ import annotations

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.curve import Curve
from tb_lossdiag.analysis.parameters import rate
from tb_lossdiag.diagnosis.rule import NotEnough, Text
from tb_lossdiag.run import Run

_APART = 10
"""Steps between records from which a few of them are a stretch of training, not its first moments."""


def needs_records(run: Run, loss: Curve, least: int, sparse: int) -> None:
    """Raise `NotEnough` for fewer than `least` records, or than `sparse` of which each stands for many steps.

    Ten steps recorded one by one are a beginning; ten epochs, or ten records a hundred steps apart, are a training. An epoch is known by its
    validation. May read `VALIDATION_LOSS` and `VALIDATION_ACCURACY`.
    """
    loss.needs(sparse if len(loss) > 1 and _stand_for_many(run, loss) else least)


def _stand_for_many(run: Run, loss: Curve) -> bool:
    if np.median(np.diff(loss.steps)) >= _APART:
        return True
    held_out = [
        len(run[each]) for each in (q.VALIDATION_LOSS, q.VALIDATION_ACCURACY) if each in run
    ]
    return 2 * max(held_out, default=0) >= len(loss)


def needs_beginning(loss: Curve) -> None:
    """Raise `NotEnough` for a run that was resumed, or recorded late: it may have learned before."""
    gap = float(np.median(np.diff(loss.steps)))
    if loss.steps[0] > 10 * gap:
        raise NotEnough(Text("records from the beginning of the training"))


def needs_full_rate(run: Run, loss: Curve) -> None:
    """Raise `NotEnough` while the rate is still warming up: learning has hardly begun. Reads `LEARNING_RATE`."""
    middle, last, full = (
        rate(run, int(loss.steps[loss.row(0.5)])),
        rate(run, int(loss.steps[-1])),
        rate(run),
    )
    if middle is not None and last is not None and last == full and middle < 0.7 * last:
        raise NotEnough(Text("records after the learning rate's warm-up"))
