"""The series that a rule judged, where no recorded quantity is that: a ratio, a share, a level."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from tb_lossdiag.diagnosis.rule import Evidence, Judged
from tb_lossdiag.diagnosis.text import Text

MOST_POINTS = 200
"""Points of a judged series: more than a chart of a finding shows, few enough to travel with each finding."""


def with_judged(
    piece: Evidence,
    name: Text,
    steps: npt.NDArray[np.int64],
    values: npt.NDArray[np.floating],
    unit: str = "1",
) -> Evidence:
    """The evidence together with the series that was held against its threshold.

    Without it where nothing is finite, or what was observed is not: no point of the series is near that.

    Args:
        piece: the evidence; the point that decided is the one of its window nearest to what it says was observed.
        name: what the series is, for a title: "share of `mse` in the loss".
        steps: int64[T], ascending.
        values: float[T]; what is not finite is left out.
        unit: of the values and of the threshold.
    """
    known = np.isfinite(values)
    there, finite = steps[known], values[known].astype(np.float64)
    if not len(there) or piece.observed is None or not np.isfinite(piece.observed):
        return piece
    at = _deciding(piece, piece.observed, there, finite)
    rows = _thinned(finite, at)
    points = tuple(float(f"{value:.6g}") for value in finite[rows])
    judged = Judged(name, unit, int(there[at]), tuple(there[rows].tolist()), points)
    return replace(piece, judged=judged)


def _deciding(
    piece: Evidence,
    observed: float,
    steps: npt.NDArray[np.int64],
    values: npt.NDArray[np.float64],
) -> int:
    """Row of the point in the window that is nearest to the deciding number."""
    inside = (steps >= piece.first_step) & (steps <= piece.last_step)
    rows = np.flatnonzero(inside) if inside.any() else np.arange(len(steps))
    return int(rows[np.argmin(np.abs(values[rows] - observed))])


def _thinned(values: npt.NDArray[np.float64], at: int) -> npt.NDArray[np.int64]:
    """Rows to keep: of each part the smallest and the largest value, and the ends and the deciding point."""
    if len(values) <= MOST_POINTS:
        return np.arange(len(values))
    parts = np.array_split(np.arange(len(values)), MOST_POINTS // 2 - 2)
    low = [int(part[np.argmin(values[part])]) for part in parts]
    high = [int(part[np.argmax(values[part])]) for part in parts]
    return np.unique([0, *low, *high, at, len(values) - 1])
