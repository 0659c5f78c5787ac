"""Where NaN and infinity came from: the first step at which each kind of value was broken."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.levels import Bools
from tb_lossdiag.analysis.parameters import parts
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.records import Table
from tb_lossdiag.run import Run


class Broken(NamedTuple):
    """A step and the column that was broken there ("" for the run)."""

    step: int
    column: str


def first_loss(run: Run) -> Broken | None:
    """First step with a loss or loss term that isn't finite; the term if both are.

    Reads `LOSS_NONFINITE` and `LOSS_TERM_NONFINITE`.
    """
    found = [*_first(run, q.LOSS_TERM_NONFINITE), *_first(run, q.LOSS_NONFINITE)]
    return min(found, key=lambda place: place.step, default=None)


def first_gradient(run: Run) -> Broken | None:
    """First step with a gradient that isn't finite, and of those broken there the parameter nearest to the output.

    NaN spreads from where it arises towards the input, so the last one in the order of parameters is nearest to the origin.
    Reads `GRADIENT_NONFINITE` and `NONFINITE_STEPS`.
    """
    table = run[q.GRADIENT_NONFINITE]
    bad = table.values > 0
    rows = np.flatnonzero(bad.any(axis=1))
    if not len(rows):
        return None
    row = int(rows[0])
    step = int(table.steps[row])
    exact = [place.step for place in _first(run, q.NONFINITE_STEPS)]
    before = int(table.steps[row - 1]) if row else step - 1
    within = [s for s in exact if before < s <= step]
    return Broken(min(within, default=step), table.columns[int(np.flatnonzero(bad[row])[-1])])


def survives(run: Run) -> bool:
    """Whether every parameter's gradient is finite again in the last record that has one. Reads `GRADIENT_NONFINITE`."""
    values = run[q.GRADIENT_NONFINITE].values
    known = np.flatnonzero(~np.isnan(values).all(axis=1))
    return len(known) > 0 and not bool((values[known[-1]] > 0).any())


def last_finite(run: Run) -> int | None:
    """Last step before loss or gradients stop being finite and stay so to the end, -1 if none was; None if they don't stop.

    Reads `LOSS_NONFINITE` and `GRADIENT_NONFINITE`.
    """
    recorded = (each for each in (q.LOSS_NONFINITE, q.GRADIENT_NONFINITE) if each in run)
    ends = (_last_good(run[quantity]) for quantity in recorded)
    return min((end for end in ends if end is not None), default=None)


def _last_good(table: Table) -> int | None:
    """Last step that counts nothing broken, -1 if there is none; None if no broken one follows it. Looks from the end."""
    broken = False
    for rows in reversed(list(parts(np.arange(len(table))))):
        values = table.values[rows]
        bad: Bools = np.logical_or.reduce(values > 0, axis=1)
        good = np.flatnonzero(~bad & ~np.isnan(values).all(axis=1))
        if len(good):
            return int(table.steps[rows[good[-1]]]) if broken or bad[good[-1] :].any() else None
        broken |= bool(bad.any())
    return -1 if broken else None


def scaled(run: Run) -> bool:
    """Whether a GradScaler is in use: it skips the steps whose gradients overflow. Reads `AMP_SCALE`."""
    return q.AMP_SCALE in run


def first_activation(run: Run) -> Broken | None:
    """First check-up with an activation that isn't finite, and the first module in the order of calls.

    Reads `ACTIVATION_NONFINITE`.
    """
    if q.ACTIVATION_NONFINITE not in run:
        return None
    table = run[q.ACTIVATION_NONFINITE]
    bad = table.values > 0
    rows = np.flatnonzero(bad.any(axis=1))
    if not len(rows):
        return None
    row = int(rows[0])
    return Broken(int(table.steps[row]), table.columns[int(np.flatnonzero(bad[row])[0])])


def first_weight(run: Run) -> Broken | None:
    """First record of a parameter whose norm was finite before and is not any more, while its gradient is recorded.

    The norm of a parameter that was frozen in between isn't recorded either; it has no gradient. Reads `PARAMETER_NORM` and
    `GRADIENT_NONFINITE`.
    """
    if q.PARAMETER_NORM not in run:
        return None
    table = run[q.PARAMETER_NORM]
    known = np.isfinite(table.values)
    had = np.logical_or.accumulate(known, axis=0)
    has = run[q.GRADIENT_NONFINITE].at(table.steps, table.columns) >= 0
    lost = np.isinf(table.values) | (had & ~known & has)
    rows = np.flatnonzero(lost.any(axis=1))
    if not len(rows):
        return None
    row = int(rows[0])
    return Broken(int(table.steps[row]), table.columns[int(np.flatnonzero(lost[row])[0])])


def _first(run: Run, flag: Quantity) -> list[Broken]:
    """The first broken step of each column of a count of broken steps."""
    if flag not in run:
        return []
    table, at = run[flag], run.highest_at(flag)
    found = []
    for index, name in enumerate(table.columns):
        rows = np.flatnonzero(table.values[:, index] > 0)
        if len(rows):
            found.append(Broken(int(at[rows[0], index]), name))
    return found
