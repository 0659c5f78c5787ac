"""Steps that a GradScaler skipped."""

from __future__ import annotations

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import columns
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
