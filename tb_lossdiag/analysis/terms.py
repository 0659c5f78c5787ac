"""Loss terms by name and behaviour: which are penalties, which are divergences."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import Before, in_force
from tb_lossdiag.analysis.levels import level, median
from tb_lossdiag.records import Doubles, Steps
from tb_lossdiag.run import Run

DIVERGENCE = re.compile(
    r"(^|[^a-z])(kl|kld|kld?_?(loss|div)|kl[-_ ]?divergence)([^a-z]|$)", re.IGNORECASE
)
"""Names of a KL divergence."""
_PENALTY = re.compile(
    r"(^|[^a-z])(reg|regs|regulari[sz]\w*|l1|l2|penalty|decay|weight[-_ ]?decay|sparsity|sparse|orthogonal\w*|entropy|tv"
    r"|total[-_ ]?variation|smoothness)([^a-z]|$)",
    re.IGNORECASE,
)
_DATA = re.compile(
    r"cross[-_ ]?entropy|categorical"
    # The regression of detectors: detectron2's and torchvision's `loss_box_reg`, `loss_rpn_box_reg`.
    r"|(^|[^a-z])(b?box(es)?|rpn|roi|anchors?|offsets?|keypoints?|depth|angle|direction)[-_/ ]+reg([^a-z]|$)",
    re.IGNORECASE,
)
"""Names in which such a word means something else."""
_CLASSES = re.compile(
    r"(^|[^a-z])(cls|class(ification)?|obj(ectness)?|centerness)([^a-z]|$)", re.IGNORECASE
)
_BARE = re.compile(r"(loss[-_/ ]?)?reg([-_/ ]?loss)?", re.IGNORECASE)
"""Beside a term of classes this is what is regressed."""
_SMOOTH = 1e-3
"""Noise from record to record over the level: a penalty on weights doesn't depend on the batch, a data term always does."""


def is_penalty(name: str, values: Doubles) -> bool:
    """Whether a term holds the model back rather than fitting data: by its name, or because no batch moves it.

    >>> is_penalty("l2 penalty", np.ones(0)), is_penalty("reconstruction", np.ones(0))
    (True, False)
    """
    if DIVERGENCE.search(name) or (_PENALTY.search(name) and not _DATA.search(name)):
        return True
    finite = values[np.isfinite(values)]
    if len(finite) < 20:  # noqa: PLR2004  (too few for an estimate)
        return False
    # Differences of differences: a smooth course, however steep, has none.
    jitter = float(1.4826 / np.sqrt(6) * median(np.abs(np.diff(finite, n=2))))
    return bool(0 < jitter < _SMOOTH * float(median(np.abs(finite))))


def penalties(run: Run, names: Sequence[str]) -> list[str]:
    """Those of the terms that are penalties; by their names alone if no data term would be left.

    A model that has learned nothing gives a data term that no batch moves either.
    """
    if any(_CLASSES.search(name) for name in names):
        names = [name for name in names if not _BARE.fullmatch(name)]
    found = [name for name in names if is_penalty(name, values_of(run, name))]
    if len(found) < len(names):
        return found
    return [name for name in names if is_penalty(name, np.zeros(0))]


def values_of(run: Run, name: str) -> Doubles:
    """float64[T]: a term's values; none if terms are not recorded. Reads `LOSS_TERM`."""
    return run[q.LOSS_TERM].column(name).astype(np.float64) if q.LOSS_TERM in run else np.zeros(0)


def typical_weight(run: Run, name: str) -> float:
    """Median weight of a term, 1 if it isn't recorded. Reads `LOSS_WEIGHT`."""
    if q.LOSS_WEIGHT not in run or name not in run[q.LOSS_WEIGHT].columns:
        return 1.0
    return float(median(run[q.LOSS_WEIGHT].column(name)))


def term_fall(run: Run, name: str, steps: Steps) -> Doubles:
    """float64[N]: share of its starting level that a term has lost by these steps; NaN if it isn't recorded."""
    if q.LOSS_TERM not in run or name not in run[q.LOSS_TERM].columns:
        return np.full(len(steps), np.nan)
    table = run[q.LOSS_TERM]
    values = table.column(name).astype(np.float64)
    there = np.isfinite(values)
    if not there.any():
        return np.full(len(steps), np.nan)
    known, at = values[there], table.steps[there]
    levels = level(known, int(np.clip(len(known) // 20, 3, 50)))
    start = float(np.median(known[:3]))
    return (start - in_force(levels, at, steps, Before.FIRST)) / max(abs(start), 1e-30)
