"""A healthy run made of numpy, with every quantity recorded: the ground that the rules' tests stand on."""

from __future__ import annotations

import numpy as np

from made.check_ups import check_steps, check_up_tables, mode_tables
from made.loop import loop_tables
from made.loss_calls import loss_call_tables
from made.modules import module_tables
from tb_lossdiag.quantities import (
    AMP_SCALE,
    CLIP_AFTER_STEP,
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
    VALIDATION_LOSS,
    VALIDATION_LOSS_NONFINITE,
    VALIDATION_LOSS_TERM,
    VALIDATION_LOSS_TERM_NONFINITE,
    VALIDATION_LOSS_WEIGHT,
)
from tb_lossdiag.records import Doubles, Steps, Table, table
from tb_lossdiag.run import Run

TERMS = ("main", "aux")
WEIGHTS = (1.0, 0.5)


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
    at = check_steps(steps)
    tables += [*loss_call_tables(seen, at, "cross_entropy"), *mode_tables(seen, at)]
    tables += module_tables(seen, at, int(seen.integers(2, 7)))
    tables += check_up_tables(seed, steps, tables)
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
