"""Runs made of numpy: a healthy one, and what can go wrong with it. The vocabulary of the rules' tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from synthetic_a import check_ups
from synthetic_b import loop_tables
from synthetic_c import check_ups as check_up_tables

from tb_lossdiag.quantities import (
    AMP_SCALE,
    CLIP_AFTER_STEP,
    CLIP_BOUND,
    CLIP_CALLS,
    CLIP_GLOBAL_NORM,
    CLIP_MAX_NORM,
    EXTRA,
    GRADIENT_NONFINITE,
    GRADIENT_NORM,
    LEARNING_RATE,
    LOSS,
    LOSS_NONFINITE,
    LOSS_TERM,
    LOSS_TERM_NONFINITE,
    LOSS_WEIGHT,
    MOMENTUM,
    OTHER_WRITERS,
    PARAMETER_HELD,
    PARAMETER_NORM,
    PARAMETER_SIZE,
    UPDATE_NORM,
    VALIDATION_LOSS,
    VALIDATION_LOSS_NONFINITE,
    VALIDATION_LOSS_TERM,
    VALIDATION_LOSS_TERM_NONFINITE,
    VALIDATION_LOSS_WEIGHT,
    Quantity,
)
from tb_lossdiag.records import Doubles, Steps, Table, table
from tb_lossdiag.run import Run

TERMS = ("main", "aux")
WEIGHTS = (1.0, 0.5)


# --- healthy -----------------------------------------------------------------------------------------------------------


def healthy_run(
    seed: int = 0, records: int = 200, layers: int | None = None, optimizer: str | None = None
) -> Run:
    """A run that learns, with every quantity recorded; depth, noise, cadence, schedule and optimizer vary with the seed."""
    rng = np.random.default_rng(seed)
    every = int(rng.choice([1, 1, 5, 10]))
    steps = np.arange(records, dtype=np.int64) * every
    name = optimizer or str(rng.choice(["SGD", "Adam", "AdamW"]))
    progress = _progress(rng, records)
    tables = [*_losses(rng, steps, progress), *_validation(rng, steps, progress)]
    tables += _parameters(rng, steps, progress, layers or int(rng.integers(2, 9)))
    tables += _clip(rng, steps, next(t for t in tables if t.quantity is GRADIENT_NORM))
    tables += _optimizer(rng, steps, name)
    tables += [table(AMP_SCALE, steps, np.full(records, 65536.0)), table(OTHER_WRITERS, [0], [0.0])]
    tables.append(table(EXTRA, steps, rng.random(records), ("accuracy",)))
    seen = np.random.default_rng(seed + 3)
    tables += check_up_tables(seen, steps, "cross_entropy")
    tables += check_ups(seed, steps, tables)
    tables += loop_tables(seed, tables, name)
    return Run(f"healthy-{seed}", {t.quantity.name: t for t in tables}, {"optimizer": name})


def _progress(rng: np.random.Generator, records: int) -> Doubles:
    """float64[T]: what is left of the loss, 1 at the start; quick or slow, converged or still falling."""
    floor, pace = rng.uniform(0.02, 0.5), rng.uniform(2, 30)
    return np.asarray(floor + (1 - floor) * np.exp(-pace * np.arange(records) / records))


def _losses(rng: np.random.Generator, steps: Steps, progress: Doubles) -> list[Table]:
    scale, batch = rng.uniform(0.5, 50), rng.uniform(0.01, 0.15)
    values = scale * progress[:, None] * rng.lognormal(0, batch, (len(steps), 2)) * [1.0, 0.6]
    none = np.zeros((len(steps), 2))
    return [
        table(LOSS, steps, values @ WEIGHTS),
        table(LOSS_NONFINITE, steps, none[:, 0]),
        table(LOSS_TERM, steps, values, TERMS),
        table(LOSS_WEIGHT, steps, none + WEIGHTS, TERMS),
        table(LOSS_TERM_NONFINITE, steps, none, TERMS),
    ]


def _validation(rng: np.random.Generator, steps: Steps, progress: Doubles) -> list[Table]:
    some = np.arange(0, len(steps), max(1, len(steps) // 20))
    values = 2 * (progress[some, None] + 0.1) * rng.lognormal(0, 0.02, (len(some), 2))
    none = np.zeros((len(some), 2))
    return [
        table(VALIDATION_LOSS, steps[some], values @ WEIGHTS),
        table(VALIDATION_LOSS_NONFINITE, steps[some], none[:, 0]),
        table(VALIDATION_LOSS_TERM, steps[some], values, TERMS),
        table(VALIDATION_LOSS_WEIGHT, steps[some], none + WEIGHTS, TERMS),
        table(VALIDATION_LOSS_TERM_NONFINITE, steps[some], none, TERMS),
    ]


def _parameters(
    rng: np.random.Generator, steps: Steps, progress: Doubles, layers: int
) -> list[Table]:
    names = [f"body.{i}.{kind}" for i in range(layers) for kind in ("weight", "bias")]
    size = np.tile([4096.0, 64.0], layers)
    norm = np.tile([4.6, 0.5], layers) * rng.lognormal(0, 0.2, 2 * layers)
    drift = np.exp(np.cumsum(rng.normal(1e-4, 3e-4, (len(steps), 1)), axis=0))
    ratio = rng.lognormal(-2, 0.7, 2 * layers) * np.sqrt(progress)[:, None]
    gradient = ratio * norm * rng.lognormal(0, 0.3, (len(steps), 2 * layers))
    every = (len(steps), 2 * layers)
    return [
        table(GRADIENT_NORM, steps, gradient, names),
        table(GRADIENT_NONFINITE, steps, np.zeros(every), names),
        table(PARAMETER_NORM, steps, norm * drift, names),
        table(PARAMETER_SIZE, steps[:1], size, names),
        table(PARAMETER_HELD, steps[:1], np.ones_like(size), names),
    ]


def _clip(rng: np.random.Generator, steps: Steps, gradient: Table) -> list[Table]:
    total = np.sqrt((gradient.values.astype(float) ** 2).sum(axis=1))
    bound = np.full(len(steps), np.quantile(total, rng.uniform(0.5, 1.0)))
    return [
        table(CLIP_GLOBAL_NORM, steps, total, ("clip",)),
        table(CLIP_MAX_NORM, steps, bound, ("clip",)),
        table(CLIP_AFTER_STEP, steps, np.zeros(len(steps)), ("clip",)),
    ]


def _optimizer(rng: np.random.Generator, steps: Steps, name: str) -> list[Table]:
    peak = 0.02 if name == "SGD" else 1e-3
    place = np.arange(len(steps)) / len(steps)
    shape = np.cos(place * np.pi / 2) ** 2 if rng.random() < 0.5 else np.ones(len(steps))
    warm = np.minimum(1.0, (np.arange(len(steps)) + 1) / 10)
    return [
        table(LEARNING_RATE, steps, peak * shape * warm, ("group 0",)),
        table(MOMENTUM, steps, np.full(len(steps), 0.9), ("group 0",)),
    ]


# --- changing a run ----------------------------------------------------------------------------------------------------


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


# --- what can go wrong -------------------------------------------------------------------------------------------------


def with_divergence(run: Run, at: int, factor: float = 4.0) -> Run:
    """From record `at` on, the loss climbs to `factor` times what it was there."""
    values = run[LOSS].values[:, 0].astype(float)
    rise = np.ones(len(values))
    rise[at:] = np.geomspace(1, factor, len(values) - at)
    base = np.minimum(values, np.inf)
    base[at:] = np.median(values[max(at - 10, 0) : at])
    return with_loss(run, base * rise)


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


# --- asking a rule -----------------------------------------------------------------------------------------------------
