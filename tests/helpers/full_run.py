"""A made run in which every view of the tab has something to show."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from helpers.written_runs import write_run
from tb_lossdiag.quantities import (
    ACTIVATION_ABS_MAX,
    ACTIVATION_MEAN,
    ACTIVATION_NONFINITE,
    ACTIVATION_STD,
    ACTIVATION_VARIATION,
    CLIP_AFTER_STEP,
    CLIP_BEFORE_UNSCALE,
    CLIP_BOUND,
    CLIP_CALLS,
    CLIP_GLOBAL_NORM,
    CLIP_MAX_NORM,
    CLIP_NONFINITE,
    DEAD_SHARE,
    EFFECTIVE_RANK,
    GLOBAL_NORM,
    GRADIENT_ABS_MAX,
    GRADIENT_NONFINITE,
    GRADIENT_NORM,
    GRADIENT_ZERO_SHARE,
    HISTOGRAM,
    HISTOGRAM_BINS,
    HISTOGRAM_EDGES,
    LEARNING_RATE,
    LOSS,
    LOSS_NONFINITE,
    LOSS_TERM,
    LOSS_TERM_NONFINITE,
    LOSS_WEIGHT,
    PARAMETER_NORM,
    PARAMETER_SIZE,
    SATURATED_SHARE,
    TERM_COSINE,
    TERM_GRADIENT_NORM,
    UPDATE_NORM,
    VALIDATION_LOSS,
    VALIDATION_LOSS_NONFINITE,
    ZERO_SHARE,
    packed_shares,
    pair,
)
from tb_lossdiag.records import Table, table

TERMS = ("recon", "kl", "percep")
BLOCKS = 6
PARTS = ("attn.q.weight", "attn.k.weight", "mlp.fc1.weight", "mlp.fc2.weight")


def layers() -> list[str]:
    """Names of a small transformer."""
    inner = [f"blocks.{block}.{part}" for block in range(BLOCKS) for part in PARTS]
    return ["embed.weight", *inner, "head.weight"]


def everything(records: int = 400, seed: int = 0, *, sick: bool = True) -> list[Table]:
    """Tables of every kind; a sick run has a spike, NaN, dead units, late clips and quarrelling terms."""
    rng = np.random.default_rng(seed)
    steps = np.arange(records, dtype=np.int64)
    sparse = steps[::20]
    return [
        *_losses(rng, steps, sick),
        *_parameters(rng, steps, sparse, sick),
        *_clips(rng, steps, sick),
        *_terms(rng, sparse, sick),
        *_modules(rng, sparse, sick),
        table(LEARNING_RATE, steps, np.full(records, 1e-3), ("group 0",)),
    ]


def _falling(rng: np.random.Generator, steps: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    level = 0.2 + 2 * np.exp(-5 * steps / len(steps))
    return np.asarray(level * rng.lognormal(0, 0.08, len(steps)))


def _losses(rng: np.random.Generator, steps: npt.NDArray[np.int64], sick: bool) -> list[Table]:
    parts = np.stack([_falling(rng, steps), 0.1 * _falling(rng, steps), 0.4 * _falling(rng, steps)])
    weights = np.array([1.0, 0.5, 0.2])
    total = weights @ parts
    bad = np.zeros(len(steps))
    if sick:
        bad[-20:] = 1
        total[-20:] = np.nan
    some = steps[::20]
    none = np.zeros((len(steps), 3))
    return [
        table(LOSS, steps, total),
        table(LOSS_NONFINITE, steps, bad),
        table(LOSS_TERM, steps, parts.T, TERMS),
        table(LOSS_WEIGHT, steps, none + weights, TERMS),
        table(LOSS_TERM_NONFINITE, steps, none, TERMS),
        table(VALIDATION_LOSS, some, 1.1 * _falling(rng, some)),
        table(VALIDATION_LOSS_NONFINITE, some, np.zeros(len(some))),
    ]


def _parameters(
    rng: np.random.Generator,
    steps: npt.NDArray[np.int64],
    sparse: npt.NDArray[np.int64],
    sick: bool,
) -> list[Table]:
    names = layers()
    level = rng.lognormal(-2, 1, len(names))
    norms = level * rng.lognormal(0, 0.2, (len(steps), len(names)))
    broken = np.zeros(norms.shape)
    weights = rng.lognormal(2, 0.3, len(names)) * np.ones((len(sparse), 1))
    if sick:
        norms[250, 7] *= 400
        broken[-20:, 9] = 1
        norms[-20:, 9] = np.nan
        norms[:, 12] = 0
    updates = weights * 1e-3 * rng.lognormal(0, 0.3, weights.shape)
    return [
        table(GRADIENT_NORM, steps, norms, names),
        table(GRADIENT_NONFINITE, steps, broken, names),
        table(GLOBAL_NORM, steps, np.sqrt(np.nansum(norms**2, axis=1))),
        table(PARAMETER_NORM, sparse, weights, names),
        table(UPDATE_NORM, sparse, updates, names),
        table(GRADIENT_ABS_MAX, sparse, updates, names),
        table(GRADIENT_ZERO_SHARE, sparse, 0.1 * rng.random(updates.shape), names),
        table(PARAMETER_SIZE, steps[:1], np.full((1, len(names)), 4096.0), names),
        *_histograms(rng, sparse, level, names),
    ]


def _histograms(
    rng: np.random.Generator,
    sparse: npt.NDArray[np.int64],
    level: npt.NDArray[np.float64],
    names: list[str],
) -> list[Table]:
    """Gradients whose elements are spread about their level, and shrink."""
    size = level * np.exp(-np.arange(len(sparse)) / 10)[:, None] / 64
    elements = np.abs(rng.normal(0, 1, (256, *size.shape))) * size
    bins = np.searchsorted(HISTOGRAM_EDGES, elements) - 1
    shares = [(bins == each).mean(axis=0) for each in range(HISTOGRAM_BINS)]
    whole = np.stack([np.zeros_like(size), *shares], axis=-1)
    packed = np.stack([packed_shares(each) for each in whole])
    return [table(q, sparse, packed[..., at], names) for at, q in enumerate(HISTOGRAM)]


def _clips(rng: np.random.Generator, steps: npt.NDArray[np.int64], sick: bool) -> list[Table]:
    norms = rng.lognormal(0.7, 0.6, len(steps))
    bad = np.zeros(len(steps))
    if sick:
        norms[-20:], bad[-20:] = np.nan, 1
    limit = np.ones(len(steps))
    values = {
        CLIP_GLOBAL_NORM: norms,
        CLIP_MAX_NORM: limit,
        CLIP_NONFINITE: bad,
        CLIP_CALLS: limit,
        CLIP_BOUND: norms > limit,
        CLIP_AFTER_STEP: limit * sick,
        CLIP_BEFORE_UNSCALE: 0 * limit,
    }
    return [table(quantity, steps, data, ("clip",)) for quantity, data in values.items()]


def _terms(rng: np.random.Generator, sparse: npt.NDArray[np.int64], sick: bool) -> list[Table]:
    pairs = [pair("recon", "kl"), pair("recon", "percep"), pair("kl", "percep")]
    centre = np.array([-0.72 if sick else 0.1, 0.11, -0.05])
    noise = 0.1 * rng.standard_normal((len(sparse), 3))
    sizes = np.array([2.0, 1.5, 0.3]) * rng.lognormal(0, 0.1, (len(sparse), 3))
    return [
        table(TERM_COSINE, sparse, centre + noise, pairs),
        table(TERM_GRADIENT_NORM, sparse, sizes, TERMS),
    ]


def _modules(rng: np.random.Generator, sparse: npt.NDArray[np.int64], sick: bool) -> list[Table]:
    names = [
        f"blocks.{block}.{kind}" for block in range(BLOCKS) for kind in ("mlp.fc1", "mlp.relu")
    ]
    shape = (len(sparse), len(names))
    relu = np.array([name.endswith("relu") for name in names])
    dead = np.where(relu, 0.05 * rng.random(shape), np.nan)
    if sick:
        dead[:, 5] = np.linspace(0.1, 0.9, len(sparse))
    values = {
        ACTIVATION_MEAN: rng.normal(0, 0.1, shape),
        ACTIVATION_STD: rng.lognormal(0, 0.1, shape),
        ACTIVATION_ABS_MAX: rng.lognormal(1, 0.2, shape),
        ACTIVATION_NONFINITE: np.zeros(shape),
        ZERO_SHARE: np.where(relu, 0.5, 0.0) * np.ones(shape),
        DEAD_SHARE: dead,
        SATURATED_SHARE: np.full(shape, np.nan),
        ACTIVATION_VARIATION: rng.random(shape),
        EFFECTIVE_RANK: 20 * rng.random(shape),
    }
    return [table(quantity, sparse, data, names) for quantity, data in values.items()]


def write_everything(logdir: Path) -> None:
    """Two runs: a sick one and a healthy one."""
    write_run(logdir / "sick", everything(), {"optimizer": "SGD", "torch": "2.13"})
    tables = everything(seed=1, sick=False)
    write_run(logdir / "healthy", tables, {"optimizer": "AdamW", "torch": "2.13"})
