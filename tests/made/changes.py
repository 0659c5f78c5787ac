"""A run with something changed, and what can go wrong with it: the vocabulary of the rules' tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from made.check_ups import with_tables
from made.healthy import WEIGHTS
from tb_lossdiag.quantities import (
    CALL_VALUE,
    CLIP_BOUND,
    CLIP_CALLS,
    CLIP_GLOBAL_NORM,
    CLIP_MAX_NORM,
    GLOBAL_NORM,
    GRADIENT_NONFINITE,
    GRADIENT_NORM,
    LOSS,
    LOSS_NONFINITE,
    LOSS_TERM,
    LOSS_TERM_NONFINITE,
    LOSS_WEIGHT,
    PARAMETER_NORM,
    UPDATE_NORM,
    VALIDATION_LOSS,
    Quantity,
)
from tb_lossdiag.records import Doubles, Table, table
from tb_lossdiag.run import Run


def without(run: Run, *quantities: Quantity) -> Run:
    """The run with these quantities not recorded."""
    names = {quantity.name for quantity in quantities}
    return replace(run, tables={n: t for n, t in run.tables.items() if n not in names})


def changed(
    run: Run, quantity: Quantity, values: npt.ArrayLike, columns: Sequence[str] | None = None
) -> Run:
    """The run with other values of a quantity (broadcast to its shape; columns may be renamed or added)."""
    old = run[quantity]
    names = old.columns if columns is None else tuple(columns)
    matrix = np.asarray(values, np.float32)
    matrix = matrix[:, None] if matrix.ndim == 1 else matrix
    new = np.broadcast_to(matrix, (len(old), len(names))).copy()
    there = Table(quantity, names, old.steps, old.walltimes, new)
    return replace(run, tables={**run.tables, quantity.name: there})


def head(run: Run, records: int) -> Run:
    """The first records of every quantity."""
    tables = {
        n: Table(
            t.quantity, t.columns, t.steps[:records], t.walltimes[:records], t.values[:records]
        )
        for n, t in run.tables.items()
    }
    return replace(run, tables=tables)


def optimized_by(run: Run, optimizer: str) -> Run:
    """The run with another optimizer's name ("" = not known)."""
    return replace(run, facts={"optimizer": optimizer} if optimizer else {})


def scaled(run: Run, quantity: Quantity, factor: npt.ArrayLike) -> Run:
    """The run with a quantity multiplied; a factor per record scales all columns alike."""
    by = np.asarray(factor, float)
    return changed(run, quantity, run[quantity].values * (by[:, None] if by.ndim == 1 else by))


def with_loss(run: Run, values: npt.ArrayLike) -> Run:
    """The run with another training loss, and flags that fit; its terms are not recorded."""
    new = changed(without(run, LOSS_TERM, LOSS_WEIGHT, LOSS_TERM_NONFINITE), LOSS, values)
    return changed(new, LOSS_NONFINITE, ~np.isfinite(new[LOSS].values))


def stuck(run: Run, start: float = 2.3, noise: float = 0.02, seed: int = 0) -> Run:
    """The run with a loss that stays where it began."""
    rng = np.random.default_rng(seed)
    return with_loss(run, start * rng.lognormal(0, noise, len(run[LOSS])))


def with_divergence(run: Run, at: int, factor: float = 4.0) -> Run:
    """From record `at` on, the loss climbs to `factor` times what it was there, and the validation loss with it."""
    values = run[LOSS].values[:, 0].astype(float)
    rise = np.ones(len(values))
    rise[at:] = np.geomspace(1, factor, len(values) - at)
    base = np.minimum(values, np.inf)
    base[at:] = np.median(values[max(at - 10, 0) : at])
    risen = with_loss(run, base * rise)
    if VALIDATION_LOSS not in run:
        return risen
    held_out = run[VALIDATION_LOSS]
    before = held_out.values[:, 0].astype(float)
    late = held_out.steps >= run[LOSS].steps[at]
    before[late] = before[~late][-1] if (~late).any() else before[0]
    worse = before * np.interp(held_out.steps, run[LOSS].steps, rise)
    return changed(risen, VALIDATION_LOSS, worse)


def with_overfitting(run: Run, at: int, rise: float = 0.5) -> Run:
    """The validation loss is lowest at validation record `at`, then climbs by `rise`; the training loss falls throughout."""
    n = len(run[VALIDATION_LOSS])
    values = np.concatenate((np.linspace(3, 1, at + 1), 1 + rise * np.linspace(0, 1, n - at)[1:]))
    falling = with_loss(run, 2 * np.exp(-2 * np.arange(len(run[LOSS])) / len(run[LOSS])))
    return changed(falling, VALIDATION_LOSS, values)


def with_vanishing(run: Run, decay: float = 1e5) -> Run:
    """Gradient over parameter norm falls geometrically by `decay` from the last layer to the first; the loss is stuck."""
    layers = len(run[GRADIENT_NORM].columns) // 2
    ratio = np.repeat(np.geomspace(1 / decay, 1, layers), 2)
    return changed(stuck(run), GRADIENT_NORM, 0.1 * ratio * run[PARAMETER_NORM].values)


def with_growth(run: Run, at: int, factor: float = 1000.0) -> Run:
    """From record `at` on, all gradients are `factor` times larger, and the loss no longer falls."""
    late = np.arange(len(run[GRADIENT_NORM])) >= at
    values = run[LOSS].values[:, 0].astype(float)
    values[at:] = np.median(values[max(at - 10, 0) : at])
    calm = scaled(run, GRADIENT_NORM, np.median(run[GRADIENT_NORM].values))
    calm = changed(calm, GRADIENT_NORM, np.full(len(late), 0.1))
    return with_loss(scaled(calm, GRADIENT_NORM, np.where(late, factor, 1.0)), values)


def with_none_gradients(run: Run, columns: Sequence[str]) -> Run:
    """`.grad` of these parameters is None throughout."""
    lost = np.isin(run[GRADIENT_NORM].columns, list(columns))
    for quantity in (GRADIENT_NORM, GRADIENT_NONFINITE):
        run = changed(run, quantity, np.where(lost, np.nan, run[quantity].values))
    return run


def with_constant_clipping(run: Run, coefficient: float = 0.1) -> Run:
    """Every step is clipped, with a median coefficient near this one."""
    total = float(np.median(run[CLIP_GLOBAL_NORM].values))
    rng = np.random.default_rng(0)
    norms = total * rng.lognormal(0, 0.1, len(run[CLIP_GLOBAL_NORM]))
    bound = np.full(len(norms), coefficient * total)
    run = changed(run, CLIP_BOUND, run[CLIP_CALLS].values)
    return changed(changed(run, CLIP_GLOBAL_NORM, norms), CLIP_MAX_NORM, bound)


def with_terms(run: Run, terms: npt.ArrayLike, weights: npt.ArrayLike = WEIGHTS) -> Run:
    """The run with other values (T, 2) and weights of its terms, and the total that they make."""
    values, by = np.asarray(terms, float), np.asarray(weights, float)
    total = (values * by).sum(axis=1)
    new = changed(changed(run, LOSS_TERM, values), LOSS_WEIGHT, np.ones_like(values) * by)
    return changed(new, LOSS, total)


def with_update_ratio(run: Run, ratio: float, records: slice = slice(None)) -> Run:
    """In these records every parameter norm grows by `ratio` of itself per step (every record is a step then)."""
    norms = np.ones(len(run[PARAMETER_NORM]))
    norms[1:][records] += ratio
    grown = np.cumprod(norms)
    bare = without(run, UPDATE_NORM)
    every = changed(bare, PARAMETER_NORM, run[PARAMETER_NORM].values[:1] * grown[:, None])
    return each_step(every)


def each_step(run: Run) -> Run:
    gap = int(run[LOSS].steps[1])
    tables = {n: replace(t, steps=t.steps // gap) for n, t in run.tables.items()}
    return replace(run, tables=tables)


def with_players(run: Run, loss_d: npt.ArrayLike, norm_g: npt.ArrayLike) -> Run:
    """The run of a discriminator and a generator, with this loss of the one and this gradient norm of the other, float64[T]."""
    steps = run[LOSS].steps
    rng = np.random.default_rng(0)
    noise = rng.lognormal(0, 0.1, (4, len(steps)))
    terms = np.stack([np.asarray(loss_d) * noise[0], 0.9 * noise[1]], axis=1)
    norms = np.stack([noise[2], np.asarray(norm_g) * noise[3]], axis=1)
    less = {
        n: t
        for n, t in run.tables.items()
        if not n.startswith("loss_term") and n != LOSS_WEIGHT.name
    }
    tables = [
        table(LOSS_TERM, steps, terms, ("D", "G")),
        table(GLOBAL_NORM, steps, norms, ("D", "G")),
    ]
    return with_tables(replace(run, tables=less), tables)


def falling(records: int = 200, noise: float = 0.03, seed: int = 0) -> Doubles:
    """float64[T]: from 2.3 to about 0.5."""
    rng = np.random.default_rng(seed)
    falls = 0.5 + 1.8 * np.exp(-5 * np.arange(records) / records)
    return np.asarray(falls * rng.lognormal(0, noise, records))


def with_broken_gradients(
    run: Run, at: int, columns: slice = slice(None), to: int | None = None
) -> Run:
    """From record `at` on (up to `to`), the gradients of these columns are NaN."""
    count, norm = run[GRADIENT_NONFINITE].values.copy(), run[GRADIENT_NORM].values.copy()
    count[at:to, columns], norm[at:to, columns] = 1.0, np.nan
    return changed(changed(run, GRADIENT_NONFINITE, count), GRADIENT_NORM, norm)


def with_first_call(run: Run, first: float, later: npt.ArrayLike = 1.0) -> Run:
    """The loss call begins at `first` and has another value at all check-ups after it."""
    values = np.zeros(len(run[CALL_VALUE])) + np.asarray(later, float)
    values[0] = first
    return changed(run, CALL_VALUE, values)
