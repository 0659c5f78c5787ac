"""A loss that falls ever faster, far below zero."""

from __future__ import annotations

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.curve import curve_of, is_of_one_model
from tb_lossdiag.run import Run

LEAST, PACE, TIMES = 30, 0.8, 20.0
"""Bounds that LD110 begins with, and explains: records, pace, times."""
DEEP = 1e4
"""Times as far below zero as a loss began from it: logarithms of float32 numbers lie within 104 of zero, so no mean or sum of them gets a hundredth as far."""


def bottomless(
    run: Run, least: int = LEAST, pace: float = PACE, times: float = TIMES
) -> list[float] | None:
    """Levels of one model's loss at the start and after each third of the steps, if it has no bottom: it falls on, or lies where no likelihood does.

    Args:
        run: the run; `LOSS`, `STEPS` and what `is_reinforcement` reads are read if they are there.
        least: records; this and what follows as LD110 documents it.
        pace: fall in a third of the steps over that in the third before.
        times: how far below zero it must end, over its start.
    """
    if q.LOSS not in run or not is_of_one_model(run):
        return None
    loss = curve_of(run, q.LOSS)
    if len(loss) < least or not np.isfinite(loss.values).all():
        return None
    rows = [loss.row(1 / 3), loss.row(2 / 3), -1]
    levels = [loss.start, *(float(loss.level[row]) for row in rows)]
    began = abs(levels[0])
    # A beginning near zero is no measure of what slows down.
    far = times * began if keeps_pace(levels, pace) else DEEP * max(began, 1.0)
    return levels if -levels[-1] >= far else None


def keeps_pace(levels: list[float], pace: float = PACE) -> bool:
    """Whether a loss of these levels falls in each third of the steps by about as much as in the one before, or more."""
    first, before, late = -np.diff(levels)
    return bool(first > 0 and before >= pace * first and late >= pace * before)
