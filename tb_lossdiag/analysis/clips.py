"""What is known of clipping: the ledger of recorded clips, and clips that the check-up saw without one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import at_steps, columns, counts_at
from tb_lossdiag.analysis.levels import Bools
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.records import Doubles, Steps
from tb_lossdiag.run import Run

BY_VALUE = "clip value"
"""Columns that begin so clip elements: their bound says nothing about a norm."""
_UNTOUCHED = 0.999
"""Clip coefficients above it are rounding."""
_COMMON = 1e-3
"""Largest spread of the parameters' factors that still is one factor for all: gradients are float32, or bfloat16 (2^-8) at worst."""
_SAME = 0.02
"""Relative spread of the norms after clipping: a clip leaves its bound, whatever the norm was before."""


@dataclass(frozen=True)
class ClipSeries:
    """The clips of one call (or of one watched model) that bound a norm.

    Attributes:
        quantity: what shows the norm before clipping.
        column: its column.
        steps: int64[T].
        norms: float64[T], global norm before clipping.
        bounds: float64[T], max_norm.
        coefficients: float64[T], 0 to 1; 1 = untouched.
        calls: float64[T], clips that the record covers.
        bound: float64[T], clips among them that changed the gradients.
    """

    quantity: Quantity
    column: str
    steps: Steps
    norms: Doubles
    bounds: Doubles
    coefficients: Doubles
    calls: Doubles
    bound: Doubles

    def __len__(self) -> int:
        """Number of records."""
        return len(self.steps)

    def where(self, rows: Bools) -> ClipSeries:
        """These records alone."""
        rest = (self.norms, self.bounds, self.coefficients, self.calls, self.bound)
        return ClipSeries(
            self.quantity, self.column, self.steps[rows], *(part[rows] for part in rest)
        )

    @property
    def share(self) -> float:
        """Share of the clips that changed the gradients."""
        return float(self.bound.sum() / max(float(self.calls.sum()), 1.0))

    def settled(self, share: float) -> ClipSeries:
        """Without the first `share` of the steps."""
        if not len(self):
            return self
        first, last = int(self.steps[0]), int(self.steps[-1])
        return self.where(self.steps >= first + share * (last - first))


def ledger(run: Run) -> list[ClipSeries]:
    """Recorded clips by norm, where the norm is finite; the bound may be infinite (it only measures)."""
    if q.CLIP_GLOBAL_NORM not in run or q.CLIP_MAX_NORM not in run:
        return []
    norms, bounds = run.aligned(q.CLIP_GLOBAL_NORM, q.CLIP_MAX_NORM)
    found = []
    for name in norms.columns:
        norm = norms.column(name).astype(np.float64)
        bound = bounds.column(name).astype(np.float64)
        coefficient = q.clip_coefficient(norm, bound)
        calls = counts_at(run, q.CLIP_CALLS, norms.steps, name, 1.0)
        untold = np.where(coefficient < 1, calls, 0.0)
        told = at_steps(run, q.CLIP_BOUND, norms.steps, name)
        bit = np.clip(np.where(np.isnan(told), untold, told), 0.0, calls)
        clips = ClipSeries(
            q.CLIP_GLOBAL_NORM, name, norms.steps, norm, bound, coefficient, calls, bit
        )
        if not name.startswith(BY_VALUE):
            found.append(clips.where(np.isfinite(norm) & (bound > 0)))
    return found


def inferred(run: Run) -> list[ClipSeries]:
    """Clips by norm that the check-ups saw: one common factor between backward and step that leaves the same norm each time."""
    return [clips for each in columns(run, q.BACKWARD_NORM) if (clips := _inferred(run, *each))]


def _inferred(run: Run, column: str, steps: Steps, backward: Doubles) -> ClipSeries | None:
    norm = backward * at_steps(run, q.UNSCALE_FACTOR, steps, column, 1.0)
    after = at_steps(run, q.STEP_NORM, steps, column)
    coefficient = np.minimum(1.0, after / norm)
    bit = coefficient < _UNTOUCHED
    common = at_steps(run, q.STEP_RATIO_SPREAD, steps, column) < _COMMON
    acted = at_steps(run, q.CLIPS_SEEN, steps, column, 1.0) >= 1
    there = np.isfinite(coefficient) & (~bit | (common & acted))
    clipped = there & bit
    if not clipped.any() or not _same(after[clipped]) or _rescaled(coefficient[there]):
        return None
    bound = np.full(len(steps), float(np.median(after[clipped])))
    ones = np.ones(len(steps))
    every = ClipSeries(
        q.BACKWARD_NORM, column, steps, norm, bound, coefficient, ones, bit.astype(float)
    )
    return every.where(there)


def _same(after: Doubles) -> bool:
    return bool(np.ptp(after) <= _SAME * float(np.max(after)))


def _rescaled(coefficients: Doubles) -> bool:
    """Whether it is the same factor each time: an average over ranks or micro-batches, not a clip."""
    return len(coefficients) > 1 and bool(np.ptp(coefficients) <= _COMMON)


def at_bound(run: Run, clips: ClipSeries, skipped: float, least: int) -> float:
    """Share of all steps whose gradient norm is exactly what a clip that nobody recorded leaves.

    Args:
        run: with the norms that the steps used.
        clips: what check-ups saw of these clips.
        skipped: share of the steps at the beginning that is left out.
        least: records, fewer give NaN.
    """
    seen = next((s for s in columns(run, q.GLOBAL_NORM) if s.column == clips.column), None)
    if seen is None or len(seen.steps) < least:
        return float("nan")
    late = seen.steps >= seen.steps[0] + skipped * (seen.steps[-1] - seen.steps[0])
    steps = counts_at(run, q.STEPS, seen.steps[late], clips.column, 1.0)
    same = np.abs(seen.values[late] / clips.bounds[0] - 1) < _COMMON
    return float((steps * same).sum() / max(float(steps.sum()), 1.0))
