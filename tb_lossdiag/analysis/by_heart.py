"""Whether a training learns by heart what it sees, and nothing of what was held out."""

from __future__ import annotations

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.curve import curve_of
from tb_lossdiag.run import Run

_FEWEST = 6
"""Validations; fewer show no standstill."""
_APART = 10.0
"""Times the training loss that the validation loss is; half as much may be left of a model that is only large."""
_STILL = 0.98
"""Of the validation loss at half time, its least share at the end."""
_WON = 0.5
"""Of the training loss at half time, its largest share at the end."""


def by_heart(run: Run) -> bool:
    """Whether in the second half the validation loss won nothing, while the training loss, far below, halved.

    Reads `LOSS` and `VALIDATION_LOSS`.
    """
    if q.LOSS not in run or q.VALIDATION_LOSS not in run:
        return False
    seen, held = curve_of(run, q.LOSS), curve_of(run, q.VALIDATION_LOSS)
    if len(held) < _FEWEST or not len(seen) or seen.may_be_negative or held.may_be_negative:
        return False
    half = held.steps[[len(held) // 2]]
    trained, validated = float(seen.level[-1]), float(np.median(held.values[-3:]))
    still = validated >= _STILL * float(held.level_at(half)[0])
    return (
        still
        and trained <= _WON * float(seen.level_at(half)[0])
        and (validated >= _APART * trained)
    )
