"""Sick runs of clipping, the loop, precision, ranks and the record, by code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from made.changes import changed, head, scaled, stuck, without
from made.healthy import healthy_run
from tb_lossdiag.quantities import (
    AMP_SCALE,
    AMP_SKIPPED,
    BACKWARD_NORM,
    CARRIED_NORM,
    CLIP_BEFORE_UNSCALE,
    CLIP_BOUND,
    CLIP_CALLS,
    CLIP_GLOBAL_NORM,
    CLIP_MAX_NORM,
    CLIP_NONFINITE,
    FIRST_BACKWARD_NORM,
    FOREIGN_PARAMETERS,
    GRADIENT_ABS_MAX,
    GRADIENT_NONFINITE,
    GRADIENT_NORM,
    GRADIENT_ZERO_SHARE,
    LEARNING_RATE,
    LOSS,
    LOSS_NONFINITE,
    MOMENTUM,
    OWN_SECONDS,
    PARAMETER_CLIPPED,
    PARAMETER_DECAY,
    PARAMETER_HELD,
    PARAMETER_NORM,
    PARAMETER_TRAINABLE,
    RANK_PARAMETER_SPREAD,
    REPLACED_OPTIMIZERS,
    STEP_NORM,
    STEP_SECONDS,
    STEPS,
    UNCHANGED_SHARE,
    UNSCALE_FACTOR,
    UPDATE_NORM,
    WAIT_SECONDS,
    ZERO_GRADS,
)
from tb_lossdiag.records import table
from tb_lossdiag.run import Run

_WELL = healthy_run(1, layers=6, optimizer="SGD")
_RECORDS = len(_WELL[LOSS])
_ROWS = np.arange(_RECORDS)


def _made_anew() -> Run:
    counts = table(REPLACED_OPTIMIZERS, _WELL[LOSS].steps[1:6], np.arange(1, 6))
    run = changed(_WELL, MOMENTUM, 0.99)
    return replace(run, tables={**run.tables, REPLACED_OPTIMIZERS.name: counts})


def _clipped_while_scaled() -> Run:
    return changed(changed(_WELL, CLIP_BEFORE_UNSCALE, 1.0), CLIP_MAX_NORM, 1.0)


def _poisoned() -> Run:
    broken = np.zeros((_RECORDS, len(_WELL[GRADIENT_NORM].columns)))
    broken[100, 0], broken[101:] = 1, 1
    run = changed(without(_WELL, AMP_SKIPPED), CLIP_NONFINITE, _ROWS >= 100)
    return changed(changed(run, GRADIENT_NONFINITE, broken), LOSS_NONFINITE, _ROWS > 100)


def _with_norms(norms: object, bound: float, calls: float = 1.0) -> Run:
    """Clips of these norms by this bound."""
    there = np.broadcast_to(np.asarray(norms, float), _RECORDS)
    run = changed(changed(_WELL, CLIP_GLOBAL_NORM, there), CLIP_MAX_NORM, bound)
    return changed(changed(run, CLIP_CALLS, calls), CLIP_BOUND, calls * (there > bound))


def _head_unclipped() -> Run:
    columns = _WELL[GRADIENT_NORM].columns
    inside = np.array([not name.startswith("body.5") for name in columns])
    run = changed(changed(_WELL, PARAMETER_CLIPPED, inside[None]), CLIP_MAX_NORM, 1.0)
    return changed(run, GRADIENT_NORM, 2.0)


def _unrecorded() -> Run:
    norms = np.random.default_rng(0).lognormal(0, 0.5, len(_WELL[BACKWARD_NORM]))
    run = changed(without(_WELL, CLIP_GLOBAL_NORM), UNSCALE_FACTOR, 1.0)
    return changed(changed(run, BACKWARD_NORM, norms), STEP_NORM, np.minimum(norms, 0.5))


def _barely_moving() -> Run:
    run = changed(stuck(_WELL), LEARNING_RATE, 1e-9)
    return scaled(run, UPDATE_NORM, 1e-4)


def _unheld() -> Run:
    norms = _WELL[PARAMETER_NORM].values.copy()
    norms[:, :4] = norms[:1, :4]
    run = changed(_WELL, PARAMETER_NORM, norms)
    return changed(run, PARAMETER_HELD, np.repeat([0.0, 1.0], [4, 8])[None, :])


def _not_reset() -> Run:
    run = changed(changed(_WELL, FIRST_BACKWARD_NORM, 2.0), ZERO_GRADS, 0.0)
    return changed(run, CARRIED_NORM, 1.8)


def _outgrown() -> Run:
    grown = np.geomspace(1, 100, _RECORDS)[:, None]
    return changed(_WELL, PARAMETER_NORM, _WELL[PARAMETER_NORM].values[:1] * grown)


def _starved() -> Run:
    return changed(changed(_WELL, WAIT_SECONDS, 0.8), STEP_SECONDS, 1.0)


def _underflowing() -> Run:
    shape = _WELL[GRADIENT_ABS_MAX].values.shape
    low = np.random.default_rng(0).uniform(1e-6, 5e-5, shape).astype(np.float16)
    run = changed(without(_WELL, AMP_SCALE), GRADIENT_ABS_MAX, low)
    return changed(run, GRADIENT_ZERO_SHARE, 0.8)


def _sparse() -> Run:
    few = head(_WELL, 25)
    tables = {n: replace(t, steps=t.steps * 100) for n, t in few.tables.items()}
    return replace(few, tables=tables)


def _costly() -> Run:
    run = changed(changed(_WELL, OWN_SECONDS, 0.02), STEP_SECONDS, 0.1)
    return changed(run, STEPS, 100.0)


SICK_B: Mapping[str, Run] = {
    "LD303": _clipped_while_scaled(),
    "LD304": _poisoned(),
    "LD305": _with_norms(1.0, 50.0, calls=5.0),
    "LD306": _with_norms(np.where(_ROWS < 120, 0.3, 3.0), 1.0),
    "LD307": _head_unclipped(),
    "LD308": _unrecorded(),
    "LD602": _barely_moving(),
    "LD603": _unheld(),
    "LD604": changed(
        changed(_WELL, FOREIGN_PARAMETERS, 4.0), PARAMETER_NORM, _WELL[PARAMETER_NORM].values[:1]
    ),
    "LD605": changed(_WELL, UNCHANGED_SHARE, 1.0),
    "LD606": _not_reset(),
    "LD607": changed(_WELL, LEARNING_RATE, 0.1 * 0.9**_ROWS),
    "LD608": _outgrown(),
    "LD609": changed(_WELL, PARAMETER_DECAY, 0.01),
    "LD610": changed(_WELL, PARAMETER_TRAINABLE, 0.0),
    "LD614": _made_anew(),
    "LD801": changed(_WELL, AMP_SKIPPED, 1.0),
    "LD802": changed(_WELL, AMP_SCALE, 65536 / 2.0 ** np.clip(_ROWS - 150, 0, 10)),
    "LD803": changed(_WELL, RANK_PARAMETER_SPREAD, 0.01),
    "LD804": _starved(),
    "LD805": _underflowing(),
    "LD902": _sparse(),
    "LD903": _costly(),
}
