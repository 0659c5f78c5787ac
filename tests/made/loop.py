"""The healthy run's loop: steps, seconds, check-ups, clips, updates, mixed precision, ranks."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from made.check_ups import check_up_records
from made.ranks import rank_tables
from tb_lossdiag.quantities import (
    AMP_SKIPPED,
    BACKWARD_NORM,
    BACKWARDS,
    BETA2,
    CARRIED_NORM,
    CHECK_SECONDS,
    CLIP_BEFORE_UNSCALE,
    CLIP_BOUND,
    CLIP_CALLS,
    CLIP_GLOBAL_NORM,
    CLIP_MAX_NORM,
    CLIP_NONFINITE,
    CLIP_NORM_AFTER,
    CLIP_PARAMETERS,
    CLIP_WHILE_SCALED,
    CLIPS_SEEN,
    FIRST_BACKWARD_NORM,
    FOREIGN_PARAMETERS,
    GLOBAL_NORM,
    GRADIENT_ABS_MAX,
    GRADIENT_NORM,
    GRADIENT_ZERO_SHARE,
    HELD_PARAMETERS,
    LATE_CLIPS,
    LATE_FACTOR,
    LEARNING_RATE,
    NONFINITE_STEPS,
    OWN_SECONDS,
    PARAMETER_CLIPPED,
    PARAMETER_DECAY,
    PARAMETER_NORM,
    PARAMETER_ROLE,
    PARAMETER_SIZE,
    PARAMETER_TRAINABLE,
    RANK_GRADIENT_SPREAD,
    RANK_PARAMETER_SPREAD,
    SCHEDULER_EARLY,
    STEP_NORM,
    STEP_RATIO_SPREAD,
    STEP_SECONDS,
    STEPS,
    UNCHANGED_SHARE,
    UNSCALE_FACTOR,
    UPDATE_NORM,
    WAIT_SECONDS,
    WEIGHT_DECAY,
    ZERO_GRADS,
    Role,
)
from tb_lossdiag.records import Doubles, Steps, Table, table

_CLIP = ("clip",)
_GROUP = ("group 0",)


def loop_tables(seed: int, there: list[Table], optimizer: str) -> list[Table]:
    """What the watched loop adds to these tables of a run; its own random numbers, so that others' stay."""
    rng = np.random.default_rng([seed, ord("b")])
    known = {t.quantity.name: t for t in there}
    steps = known[GRADIENT_NORM.name].steps
    some = check_up_records(len(steps))
    total = known[CLIP_GLOBAL_NORM.name].values[:, 0].astype(float)
    bound = known[CLIP_MAX_NORM.name].values[:, 0].astype(float)
    seconds = rng.uniform(0.02, 0.5) * rng.lognormal(0, 0.1, len(steps))
    return [
        *_step(rng, steps, total, seconds),
        *_clips(known, steps, total, bound),
        *_check_up(rng, steps[some], np.stack([total, bound, seconds])[:, some]),
        *_updates(rng, known, some),
        *_layers(known),
        *_groups(steps, optimizer),
        table(AMP_SKIPPED, steps, rng.random(len(steps)) < 1e-3),
        table(FOREIGN_PARAMETERS, steps[:1], np.zeros(len(steps[:1]))),
        table(HELD_PARAMETERS, steps[:1], np.full(len(steps[:1]), 4.0)),
        table(RANK_PARAMETER_SPREAD, steps[some], np.zeros(len(some))),
        table(RANK_GRADIENT_SPREAD, steps[some], rng.random(len(some)) * 1e-6),
        *rank_tables(seed, known, steps[some], seconds[some]),
    ]


def _step(rng: np.random.Generator, steps: Steps, total: Doubles, seconds: Doubles) -> list[Table]:
    count = np.diff(steps, prepend=-1)
    return [
        table(STEPS, steps, count),
        table(GLOBAL_NORM, steps, total),
        table(NONFINITE_STEPS, steps, np.zeros(len(steps))),
        table(STEP_SECONDS, steps, seconds),
        table(OWN_SECONDS, steps, seconds * rng.uniform(0.001, 0.03)),
    ]


def _clips(known: Mapping[str, Table], steps: Steps, total: Doubles, bound: Doubles) -> list[Table]:
    count, none = np.diff(steps, prepend=-1), np.zeros(len(steps))
    parameters = len(known[GRADIENT_NORM.name].columns)
    return [
        table(CLIP_NORM_AFTER, steps, np.minimum(total, bound), _CLIP),
        table(CLIP_NONFINITE, steps, none, _CLIP),
        table(CLIP_CALLS, steps, count, _CLIP),
        table(CLIP_BOUND, steps, count * (total > bound), _CLIP),
        table(CLIP_BEFORE_UNSCALE, steps, none, _CLIP),
        table(CLIP_PARAMETERS, steps, none + parameters, _CLIP),
    ]


def _check_up(rng: np.random.Generator, steps: Steps, seen: Doubles) -> list[Table]:
    (total, bound, seconds), none = seen, np.zeros(len(steps))
    scale, clipped = 2.0**16, np.minimum(total, bound)
    values = {
        BACKWARDS: none + 1,
        ZERO_GRADS: none + 1,
        CARRIED_NORM: none,
        FIRST_BACKWARD_NORM: total * scale,
        BACKWARD_NORM: total * scale,
        STEP_NORM: clipped,
        STEP_RATIO_SPREAD: rng.random(len(steps)) * 1e-6,
        LATE_FACTOR: none + 1,
        LATE_CLIPS: none,
        UNSCALE_FACTOR: none + 1 / scale,
        CLIPS_SEEN: none + 1,
        CLIP_WHILE_SCALED: none,
        UNCHANGED_SHARE: none,
        SCHEDULER_EARLY: none,
        WAIT_SECONDS: seconds * rng.uniform(0, 0.2, len(steps)),
        CHECK_SECONDS: seconds * 2,
    }
    return [table(quantity, steps, there) for quantity, there in values.items()]


def _updates(rng: np.random.Generator, known: Mapping[str, Table], some: list[int]) -> list[Table]:
    weight, rate = known[PARAMETER_NORM.name], known[LEARNING_RATE.name]
    gradient, size = known[GRADIENT_NORM.name], known[PARAMETER_SIZE.name].values[0]
    peak = float(rate.values.max(initial=0.0)) or 1.0
    shape = (*np.shape(some), len(weight.columns))
    ratio = 1e-3 * rate.values[some] / peak * rng.lognormal(0, 0.3, shape)
    largest = gradient.values[some] / np.sqrt(size) * rng.uniform(3, 10, shape)
    steps, names = weight.steps[some], weight.columns
    return [
        table(UPDATE_NORM, steps, ratio * weight.values[some], names),
        table(GRADIENT_ABS_MAX, steps, largest, names),
        table(GRADIENT_ZERO_SHARE, steps, rng.uniform(0, 0.3, shape), names),
    ]


def _layers(known: Mapping[str, Table]) -> list[Table]:
    size = known[PARAMETER_SIZE.name]
    roles = [Role.BIAS if name.endswith("bias") else Role.WEIGHT for name in size.columns]
    every = np.ones_like(size.values)
    return [
        table(PARAMETER_TRAINABLE, size.steps, every, size.columns),
        table(PARAMETER_ROLE, size.steps, every * roles, size.columns),
        table(PARAMETER_DECAY, size.steps, every * 1e-4, size.columns),
        table(PARAMETER_CLIPPED, size.steps, every, size.columns),
    ]


def _groups(steps: Steps, optimizer: str) -> list[Table]:
    decay = np.full(len(steps), 1e-4)
    second = np.full(len(steps), 0.999 if optimizer.startswith("Adam") else np.nan)
    return [table(WEIGHT_DECAY, steps, decay, _GROUP), table(BETA2, steps, second, _GROUP)]
