"""How far a second network is behind the trained one, in steps of the optimizer."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import Sighting, in_force
from tb_lossdiag.records import Doubles
from tb_lossdiag.run import Run


def steps_behind(run: Run, copy: Sighting) -> Doubles:
    """float64[n]: at each sighting of `COPY_DISTANCE`, the distance over what the step before moved the trained network; NaN where unknown."""
    unknown = np.full(len(copy.steps), np.nan)
    if q.UPDATE_NORM not in run or q.PARAMETER_NORM not in run:
        return unknown
    updates, weights = run[q.UPDATE_NORM], run[q.PARAMETER_NORM]
    mine = [name for name in updates.columns if _belongs(name, copy.column)]
    if not mine or not len(updates) or not len(weights):
        return unknown
    moved = _length(updates.at(updates.steps, mine))
    size = _length(weights.at(weights.steps, mine))
    # A check-up looks at the weights before its own step.
    before = copy.steps - 1
    one = in_force(moved, updates.steps, before) / in_force(size, weights.steps, before)
    behind: Doubles = np.divide(copy.values, one, out=unknown, where=one > 0)
    return behind


def validated_alone(run: Run, copy: Sighting) -> bool:
    """Whether it is called in validations only, which come now and then."""
    if q.VALIDATION_LOSS not in run or len(run[q.VALIDATION_LOSS]) < 2:  # noqa: PLR2004
        return False
    steps = run[q.VALIDATION_LOSS].steps
    seldom = bool((np.diff(steps) > 1).all())
    return seldom and bool(np.isin(copy.steps, np.concatenate([steps, steps + 1])).all())


def _belongs(name: str, module: str) -> bool:
    return not module or name.startswith((f"{module}.", f"{module}/"))


def _length(norms: npt.NDArray[np.floating]) -> Doubles:
    """float64[T]: of all parameters together; NaN where none is known."""
    known = np.isfinite(norms).any(axis=1)
    length = np.sqrt(np.nansum(norms.astype(np.float64) ** 2, axis=1))
    return np.where(known, length, np.nan)
