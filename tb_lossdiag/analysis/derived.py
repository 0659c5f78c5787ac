"""Numbers that follow from recorded ones: computed when somebody looks, never stored, so that they cannot contradict the record."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np

from tb_lossdiag.analysis.columns import in_force
from tb_lossdiag.quantities import (
    CLIP_BOUND,
    CLIP_CALLS,
    CLIP_GLOBAL_NORM,
    CLIP_MAX_NORM,
    CLIP_NORM_AFTER,
    EXTRA,
    GRADIENT_NORM,
    PARAMETER_NORM,
    UPDATE_NORM,
    Axis,
    Quantity,
    clip_coefficient,
)
from tb_lossdiag.records import Doubles, Floats, Table
from tb_lossdiag.run import Run

UPDATE_RATIO = Quantity(
    "update_ratio", "derived", Axis.PARAMETER, "1", f"{UPDATE_NORM.how}, and {PARAMETER_NORM.how}"
)
"""Update norm over parameter norm, at the steps where the update was measured."""
GRADIENT_SHARE = Quantity("gradient_share", "derived", Axis.PARAMETER, "1", GRADIENT_NORM.how)
"""Share of a parameter in the squared global gradient norm of its record; finite norms only."""

ELAPSED = Quantity("elapsed", "derived", Axis.RUN, "s", "record anything")
"""Seconds since the run's first record, at every step that has one."""

PROGRESS = {
    name: Quantity(name, "derived", Axis.RUN, name, f"add_diagnostics(extra={{'{name}': …}})")
    for name in ("epoch", "tokens")
}
"""How far a run has come in units of its own, from the user's numbers of this name."""

RATE_RECORDS = (10, 100, 1000)
CLIP_RATES = {
    records: Quantity(f"clip_rate_{records}", "derived", Axis.CLIP, "1", CLIP_GLOBAL_NORM.how)
    for records in RATE_RECORDS
}
"""Share of the clips that changed a gradient, over so many records up to each."""

CLIP_COEFFICIENT = Quantity(
    "clip_coefficient", "derived", Axis.CLIP, "1", CLIP_GLOBAL_NORM.how, extremes=True
)
"""What a clip multiplied the gradients with, at most 1; of a clip by value, what it left of their norm."""
_BY_VALUE = "clip value"
"""How columns of clips by value begin: their bound is one element's, and says nothing about the norm."""

Derive = Callable[[Run], Table]


def update_ratio(run: Run) -> Table:
    """float32[T, C]; the parameter norm in force is the newest one recorded at or before the step."""
    updates = run[UPDATE_NORM]
    weights = run[PARAMETER_NORM]
    known = weights.at(weights.steps, updates.columns)
    norms = in_force(known, weights.steps, updates.steps)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(norms > 0, updates.values / norms, np.nan)
    return _like(updates, UPDATE_RATIO, ratio.astype(np.float32))


def gradient_share(run: Run) -> Table:
    """float32[T, C] in [0, 1]; a row adds up to 1."""
    norms = run[GRADIENT_NORM]
    squares = np.where(np.isfinite(norms.values), norms.values, np.nan).astype(np.float64) ** 2
    total = np.nansum(squares, axis=1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(total > 0, squares / total, np.nan)
    return _like(norms, GRADIENT_SHARE, share.astype(np.float32))


def clip_rate(run: Run, records: int) -> Table:
    """float32[T, C] in [0, 1] over so many records, of what the records counted; without counts, of norms above their bound.

    A norm that is not finite says nothing about the bound: NaN where that holds for all of them.
    """
    norms = run[CLIP_GLOBAL_NORM]
    bound, calls = np.where(np.isfinite(norms.values), _clip_counts(run, norms), 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        rate = _rolling(bound, records) / _rolling(calls, records)
    return _like(norms, CLIP_RATES[records], rate.astype(np.float32))


def _clip_counts(run: Run, norms: Table) -> tuple[Doubles, Doubles]:
    if CLIP_BOUND in run and CLIP_CALLS in run:
        bound, calls = (run[q].at(norms.steps, norms.columns) for q in (CLIP_BOUND, CLIP_CALLS))
        return np.nan_to_num(bound).astype(np.float64), np.nan_to_num(calls).astype(np.float64)
    limits = run[CLIP_MAX_NORM].at(norms.steps, norms.columns)
    known = np.isfinite(norms.values) & np.isfinite(limits)
    clipped = clip_coefficient(norms.values, limits) < 1
    return (known & clipped).astype(np.float64), known.astype(np.float64)


def clip_factor(run: Run) -> Table:
    """float32[T, C] in [0, 1]: the coefficient of each record's last clip."""
    norms = run[CLIP_GLOBAL_NORM]
    factor = _coefficient(run, norms)
    by_value = [place for place, name in enumerate(norms.columns) if name.startswith(_BY_VALUE)]
    if by_value and CLIP_NORM_AFTER in run:
        names = [norms.columns[place] for place in by_value]
        before = norms.values[:, by_value].astype(np.float64)
        left = run[CLIP_NORM_AFTER].at(norms.steps, names).astype(np.float64)
        with np.errstate(divide="ignore", invalid="ignore"):
            factor[:, by_value] = np.where(before == 0, 1.0, np.minimum(left / before, 1.0))
    return _like(norms, CLIP_COEFFICIENT, factor.astype(np.float32))


def clip_factor_range(run: Run) -> tuple[Table, Table]:
    """The smallest and the largest coefficient inside each record: of its largest and its smallest norm; NaN for clips by value."""
    norms = run.highest(CLIP_GLOBAL_NORM), run.lowest(CLIP_GLOBAL_NORM)
    least, most = (
        _like(table, CLIP_COEFFICIENT, _coefficient(run, table).astype(np.float32))
        for table in norms
    )
    return least, most


def _coefficient(run: Run, norms: Table) -> Doubles:
    """float64[T, C] of clips by norm, NaN for others."""
    limits = run[CLIP_MAX_NORM].at(norms.steps, norms.columns).astype(np.float64)
    limits[:, [name.startswith(_BY_VALUE) for name in norms.columns]] = np.nan
    return clip_coefficient(norms.values, limits)


def _rolling(counts: Doubles, rows: int) -> Doubles:
    """Sums over so many rows up to each."""
    total = np.cumsum(counts, axis=0)
    total[rows:] -= total[:-rows].copy()
    return total


def elapsed(run: Run) -> Table:
    """float32[T, 1]; never falls, although clocks are set back."""
    tables = list(run.tables.values())
    steps, rows = np.unique(np.concatenate([t.steps for t in tables]), return_index=True)
    times = np.maximum.accumulate(np.concatenate([t.walltimes for t in tables])[rows])
    seconds = (times - times[:1]).astype(np.float32)[:, None]
    return Table(ELAPSED, ("",), steps, times, seconds)


def progress(run: Run, name: str) -> Table:
    """float32[T, 1]; between two values, such as epochs, it goes on evenly, after the last one as it did before."""
    table = run[EXTRA]
    values = table.column(name).astype(np.float64)
    known = np.flatnonzero(np.isfinite(values))
    values = np.maximum.accumulate(values[known])
    risen = np.flatnonzero(np.diff(values, prepend=-np.inf) > 0)
    steps, places = table.steps[known][risen].astype(np.float64), values[risen]
    if len(risen) > 1:
        pace = (places[-1] - places[-2]) / (steps[-1] - steps[-2])
        more = min(pace * (table.steps[-1] - steps[-1]), places[-1] - places[-2])
        steps, places = np.append(steps, table.steps[-1]), np.append(places, places[-1] + more)
    even = np.interp(table.steps, steps, places).astype(np.float32)[:, None]
    return Table(PROGRESS[name], ("",), table.steps, table.walltimes, even)


def _like(table: Table, quantity: Quantity, values: Floats) -> Table:
    return Table(quantity, table.columns, table.steps, table.walltimes, values)


DERIVED: Mapping[str, tuple[Quantity, tuple[Quantity, ...], Derive]] = {
    UPDATE_RATIO.name: (UPDATE_RATIO, (UPDATE_NORM, PARAMETER_NORM), update_ratio),
    GRADIENT_SHARE.name: (GRADIENT_SHARE, (GRADIENT_NORM,), gradient_share),
    ELAPSED.name: (ELAPSED, (), elapsed),
    **{
        name: (quantity, (EXTRA,), partial(progress, name=name))
        for name, quantity in PROGRESS.items()
    },
    **{
        rate.name: (rate, (CLIP_GLOBAL_NORM, CLIP_MAX_NORM), partial(clip_rate, records=records))
        for records, rate in CLIP_RATES.items()
    },
    CLIP_COEFFICIENT.name: (CLIP_COEFFICIENT, (CLIP_GLOBAL_NORM, CLIP_MAX_NORM), clip_factor),
}
"""By name: the quantity, what it needs, how it is computed."""

RANGES: Mapping[str, Callable[[Run], tuple[Table, Table]]] = {
    CLIP_COEFFICIENT.name: clip_factor_range
}
"""By name: the smallest and the largest value inside each record, where those are known."""


def available(run: Run) -> list[str]:
    """Names of the derived quantities that the run's records allow."""
    if not any(len(table) for table in run.tables.values()):
        return []
    names = [name for name, (_, needs, _) in DERIVED.items() if all(q in run for q in needs)]
    return [name for name in names if name not in PROGRESS or _tells(run, name)]


def _tells(run: Run, name: str) -> bool:
    """Whether the user's numbers of this name rise: one value alone says nothing of the way."""
    if name not in run[EXTRA].columns:
        return False
    values = run[EXTRA].column(name)
    finite = values[np.isfinite(values)]
    return len(finite) > 1 and bool(finite.max() > finite[0])
