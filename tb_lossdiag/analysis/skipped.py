"""Steps that a GradScaler skipped."""

from __future__ import annotations

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import columns
from tb_lossdiag.analysis.levels import Bools
from tb_lossdiag.records import Steps
from tb_lossdiag.run import Run


def never_steps(run: Run, column: str, share: float) -> bool:
    """Whether this share of all steps was skipped, in the first half as in the second. Reads `AMP_SKIPPED`."""
    for name, steps, skipped in columns(run, q.AMP_SKIPPED):
        if name == column and len(steps) > 1:
            count = np.maximum(skipped, 0.0)
            middle = int(np.searchsorted(steps, (steps[0] + steps[-1]) / 2))
            halves = [(steps[:middle], count[:middle]), (steps[middle:], count[middle:])]
            return all(len(s) and c.sum() >= share * (s[-1] - s[0] + 1) for s, c in halves)
    return False


def after_skipped(run: Run, steps: Steps) -> Bools:
    """bool[N]: where a GradScaler skipped a step on the way to this one: the passes before were for that one. Reads `AMP_SKIPPED`."""
    if q.AMP_SKIPPED not in run:
        return np.zeros(len(steps), bool)
    skipped = run[q.AMP_SKIPPED]
    covering = np.minimum(np.searchsorted(skipped.steps, steps), len(skipped) - 1)
    found: Bools = skipped.values[covering, 0] > 0
    return found
