"""Where the curves of two runs part: the first step at which their levels differ by more than noise explains."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tb_lossdiag.analysis.levels import level, noise, spans
from tb_lossdiag.quantities import BY_NAME, Axis, Quantity
from tb_lossdiag.records import Doubles, Steps, Table
from tb_lossdiag.run import Run

_SINGLE = {Axis.RUN, Axis.TERM, Axis.GROUP, Axis.WATCH, Axis.CLIP, Axis.EXTRA}
_PER_LAYER = ("gradient_norm", "parameter_norm", "update_norm")
_ABOUT_THE_RECORD = {
    "other_writers",
    "held_parameters",
    "foreign_parameters",
    "steps",
    "clip_calls",
}
_COUNTS = {quantity.nonfinite for quantity in BY_NAME.values()}
_LEAST = 5
"""Common records; fewer have no level."""
_ERRORS = 4.0
"""Standard errors of a level's median: of a thousand records one exceeds 3.3 by chance."""
_FEW = 3.0
"""Records at which that doubles: their noise is itself a guess. With it, pairs of seeds part in less than 1 of 200 cases from 6 records on."""
_VISIBLE = 0.01
"""Share of the level; less is no difference anybody would act on, however exact the numbers are."""


@dataclass(frozen=True)
class Parting:
    """How two runs compare in one column.

    Attributes:
        quantity: what.
        column: which.
        records: number of records compared.
        first_difference: first step with different numbers, None if all are the same or the steps had to be matched.
        parts_at: first step of a difference beyond noise that lasts, None if there is none.
        a: level of the first run there (at the end, if they do not part).
        b: that of the second.
        noise: standard deviation of the difference from record to record, relative to the level.
        exact: whether both recorded these steps; else one lies between neighbours.
        columns: columns of the quantity that part, of those that are compared.
    """

    quantity: Quantity
    column: str
    records: int
    first_difference: int | None
    parts_at: int | None
    a: float
    b: float
    noise: float
    exact: bool
    columns: int = 1


def partings(a: Run, b: Run) -> list[Parting]:
    """One per common quantity and column; of quantities with a column per layer only the layer that parts first."""
    found = []
    for name, table in a.tables.items():
        if name in b.tables and comparable(table.quantity):
            each = list(_columns(table, b.tables[name]))
            found += each if table.quantity.axis in _SINGLE else _earliest(each)
    return sorted(found, key=_order)


def comparable(quantity: Quantity) -> bool:
    """Whether it says something of the training, not of how it was recorded."""
    measured = quantity.unit != "s" and not quantity.frame.endswith("_window")
    measured &= not quantity.frame.startswith("break_")
    about_training = quantity.name not in _COUNTS and quantity.name not in _ABOUT_THE_RECORD
    listed = quantity.axis in _SINGLE or quantity.name in _PER_LAYER
    return measured and about_training and listed


def _columns(a: Table, b: Table) -> Iterator[Parting]:
    for column in a.columns:
        if column in b.columns:
            steps, mine, other, exact = _matched(a, b, column)
            if len(steps) >= _LEAST:
                yield _parting((a.quantity, column), steps, (mine, other), exact=exact)


def _earliest(each: list[Parting]) -> list[Parting]:
    part = [parting for parting in each if parting.parts_at is not None]
    chosen = min(part or each, key=_order, default=None)
    return [] if chosen is None else [Parting(**{**vars(chosen), "columns": len(part)})]


def _order(parting: Parting) -> tuple[float, str, str]:
    at = float("inf") if parting.parts_at is None else parting.parts_at
    return at, parting.quantity.name, parting.column


def _matched(a: Table, b: Table, column: str) -> tuple[Steps, Doubles, Doubles, bool]:
    """Both columns on common steps; if they share too few, on the coarser run's steps between the other's neighbours."""
    common = np.intersect1d(a.steps, b.steps, assume_unique=True)
    if len(common) >= min(len(a), len(b)) // 2:
        mine, other = (table.at(common, [column])[:, 0].astype(float) for table in (a, b))
        there = ~(np.isnan(mine) & np.isnan(other))
        return common[there], mine[there], other[there], True
    coarse = a if len(a) <= len(b) else b
    inside = (coarse.steps >= max(a.steps[0], b.steps[0])) & (
        coarse.steps <= min(a.steps[-1], b.steps[-1])
    )
    steps = coarse.steps[inside]
    return steps, _between(a, steps, column), _between(b, steps, column), False


def _between(table: Table, steps: Steps, column: str) -> Doubles:
    values = table.column(column).astype(float)
    there = np.isfinite(values)
    if not there.any():
        return np.full(len(steps), np.nan)
    between: Doubles = np.interp(
        steps.astype(float), table.steps[there].astype(float), values[there]
    )
    return between


def _parting(
    what: tuple[Quantity, str], steps: Steps, pair: tuple[Doubles, Doubles], *, exact: bool
) -> Parting:
    mine, other = pair
    width = int(np.clip(len(steps) // 20, 3, 25))
    with np.errstate(all="ignore"):
        levels = level(mine, width), level(other, width)
        difference = (mine - other) / _scale(*levels)
        spread = _noise(difference)
        errors = _ERRORS * (1 + _FEW / len(steps))
        sure = errors * 1.25 * spread / np.sqrt(width)  # 1.25: standard error of a median
        beyond = np.abs(level(difference, width)) > max(sure, _VISIBLE)
    at = _first(beyond, np.isfinite(mine) != np.isfinite(other), width)
    shown = len(steps) - 1 if at is None else min(at + width // 2, len(steps) - 1)
    if at is not None and what[0].axis is Axis.GROUP:
        # What is set has no noise: its level at a step is the number of that step.
        levels = mine, other
        at = shown = _apart(mine, other, at)
    unequal = np.flatnonzero(~((mine == other) | (np.isnan(mine) & np.isnan(other))))
    return Parting(
        *what,
        records=len(steps),
        first_difference=int(steps[unequal[0]]) if exact and len(unequal) else None,
        parts_at=None if at is None else int(steps[at]),
        a=float(levels[0][shown]),
        b=float(levels[1][shown]),
        noise=spread,
        exact=exact,
    )


def _apart(mine: Doubles, other: Doubles, at: int) -> int:
    """Record from `at` on at which two set values differ visibly."""
    with np.errstate(all="ignore"):
        beyond = np.abs(mine - other) > _VISIBLE * _scale(mine, other)
    return next((int(record) for record in np.flatnonzero(beyond) if record >= at), at)


def _scale(mine: Doubles, other: Doubles) -> Doubles:
    """What a difference is compared with: the larger level of the moment, since batch noise grows with the loss.

    Where levels cross zero a tenth of the usual size, so that a division by almost nothing finds no difference.
    """
    size = np.fmax(np.abs(mine), np.abs(other))
    usual = float(np.nanmedian(size)) if np.isfinite(size).any() else 0.0
    scale: Doubles = np.fmax(size, max(0.1 * usual, 1e-30))
    return scale


def _noise(difference: Doubles) -> float:
    """Standard deviation from record to record: by the median and by the eighth decile, the larger; of few records one may be low."""
    finite = difference[np.isfinite(difference)]
    if len(finite) < _LEAST:
        return 0.0
    eighth = float(np.quantile(np.abs(np.diff(finite)), 0.8)) / (1.2816 * np.sqrt(2))
    return float(max(noise(finite), eighth))


def _first(beyond: npt.NDArray[np.bool_], broken: npt.NDArray[np.bool_], width: int) -> int | None:
    """Record at which the runs part: a level trails by half its width; one run being no number any more counts at once."""
    lasting = [max(span.first - (width - 1) // 2, 0) for span in spans(beyond, width)[:1]]
    at_once = np.flatnonzero(broken)[:1].tolist()
    return min([*lasting, *at_once], default=None)
