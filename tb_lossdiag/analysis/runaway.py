"""Weights whose norm has multiplied and goes on growing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.levels import Bools, level, median
from tb_lossdiag.analysis.parameters import global_norm, sizes, weights
from tb_lossdiag.analysis.progress import broke, fall
from tb_lossdiag.records import Doubles, Table
from tb_lossdiag.run import Run


@dataclass(frozen=True)
class Bounds:
    """From where on it counts; LD608 says what each is and why."""

    growth: float = 10.0
    rms: float = 0.3
    start: float = 1e-3
    difference: float = 1e-3
    rise: float = 0.05
    pace: float = 0.5
    learned: float = 0.8
    records: int = 10


@dataclass(frozen=True)
class Runaway:
    """How far it went.

    Attributes:
        start: norm of all weights at first.
        end: at last.
        layer: the matrix that grew most.
        times: its norm over what it began with.
    """

    start: float
    end: float
    layer: str
    times: float


def matrices(run: Run) -> Bools:
    """bool[C]: which columns of `PARAMETER_NORM` are weight matrices with a value throughout."""
    norm = run[q.PARAMETER_NORM]
    elements = sizes(run, norm.columns)
    known: Bools = weights(norm.columns, elements) & np.isfinite(elements)
    return known & np.isfinite(norm.values).all(axis=0)


def runaway(run: Run, bounds: Bounds) -> Runaway | None:
    """How the norm of all weights ran away, if it did; what starts at nothing, or learns, does not."""
    if q.PARAMETER_NORM not in run or q.PARAMETER_SIZE not in run:
        return None
    norm, chosen = run[q.PARAMETER_NORM], matrices(run)
    lost = fall(run)
    learned = lost is not None and lost >= bounds.learned and not broke(run)
    if len(norm) < bounds.records or learned:
        return None
    values, elements = norm.values.astype(np.float64), sizes(run, norm.columns)
    chosen &= median(values[:3], axis=0) / np.sqrt(elements) >= bounds.start
    chosen &= ~_began_at_zero(run, norm, bounds)
    if not chosen.any():
        return None
    return _grown(norm, chosen, elements, bounds)


def _began_at_zero(run: Run, norm: Table, bounds: Bounds) -> Bools:
    """Matrices that are all first update: one step may already take them above the least start."""
    if q.UPDATE_NORM not in run:
        return np.zeros(len(norm.columns), bool)
    first = run[q.UPDATE_NORM].at(norm.steps[:1], norm.columns)[0].astype(np.float64)
    same: Bools = np.abs(norm.values[0] - first) <= bounds.difference * first
    return same


def _grown(norm: Table, chosen: Bools, elements: Doubles, bounds: Bounds) -> Runaway | None:
    values = norm.values[:, chosen].astype(np.float64)
    total = level(global_norm(values.astype(np.float32)), 3)
    start, end = float(total[2]), float(total[-1])
    rms = end / float(np.sqrt(elements[chosen].sum()))
    before = float(total[-(len(total) // 4) - 1])
    rising = end >= (1 + bounds.rise) * before
    rising &= 4 * (end - before) >= bounds.pace * (end - start)
    if not start > 0 or end < bounds.growth * start or rms < bounds.rms or not rising:
        return None
    each = median(values[-3:], axis=0) / median(values[:3], axis=0)
    names = [name for name, ok in zip(norm.columns, chosen, strict=True) if ok]
    return Runaway(start, end, names[int(np.argmax(each))], float(each.max()))
