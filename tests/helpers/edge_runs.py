"""Runs at the edges: sixty terms, terms that do not add up, marks in names, long names, a jump, a model without submodules, tiny values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from helpers.written_runs import write_run
from tb_lossdiag.quantities import (
    ACTIVATION_MEAN,
    ACTIVATION_NONFINITE,
    ACTIVATION_VARIATION,
    GRADIENT_NORM,
    LOSS,
    LOSS_TERM,
    LOSS_WEIGHT,
    MODULE_KIND,
)
from tb_lossdiag.records import Table, table

STEPS = 120
TERMS = [f"term_{place:02d}" for place in range(60)]
LONG = "encoder_of_a_very_long_name_" + "x" * 172
"""200 characters without a place at which to break them."""


def _falling() -> Any:
    return 1 + np.exp(-np.arange(STEPS) / 30)


def _terms() -> list[Table]:
    """Sixty terms that add up to the loss."""
    at = np.arange(STEPS)
    values = _falling()[:, None] * np.arange(1, 61)[None, :]
    return [table(LOSS, at, values.sum(axis=1)), table(LOSS_TERM, at, values, TERMS)]


def _collapsing() -> list[Table]:
    """A term that falls to nothing, with marks in its name."""
    at = np.arange(600)
    rng = np.random.default_rng(0)
    kept = (2 + 3 * np.exp(-at / 60)) * rng.lognormal(0, 0.05, len(at))
    gone = 0.5 * np.exp(-at / 40) * rng.lognormal(0, 0.05, len(at))
    values, names = np.stack([kept, gone], axis=1), ["main", "`code` **md**"]
    return [
        table(LOSS, at, values.sum(axis=1)),
        table(LOSS_TERM, at, values, names),
        table(LOSS_WEIGHT, at, np.ones_like(values), names),
    ]


def _jumping() -> list[Table]:
    """A loss that has come down, jumps at step 250 and takes its time to come back."""
    at = np.arange(500)
    rng = np.random.default_rng(1)
    loss = (0.2 + 2 * np.exp(-at / 40)) * rng.lognormal(0, 0.05, len(at))
    loss[250:300] += 5 * np.exp(-np.arange(50) / 20)
    return [table(LOSS, at, loss)]


def _modules() -> list[Table]:
    """Activations of a model without submodules beside one that says the same to everything."""
    at = np.arange(STEPS)
    names = ["", "encoder.blocks.0.mlp.projection"]
    checks = at[::10]
    rows = (len(checks), 2)
    variation = np.full(rows, 0.5)
    variation[:, 1] = 1e-9
    nonfinite = np.zeros(rows)
    return [
        table(LOSS, at, _falling()),
        table(ACTIVATION_MEAN, checks, np.full(rows, 0.25), names),
        table(ACTIVATION_VARIATION, checks, variation, names),
        table(ACTIVATION_NONFINITE, checks, nonfinite, names),
        table(MODULE_KIND, at[:1], np.array([[0.0, 1.0]]), names),
    ]


def _unsummed() -> list[Table]:
    """Sixty terms with weights of 1, of which the loss is only some of the sum: nothing explains it."""
    at = np.arange(STEPS)
    values = _falling()[:, None] * np.arange(1, 61)[None, :]
    loss = values.sum(axis=1) * (0.5 + 0.2 * np.sin(at))
    return [
        table(LOSS, at, loss),
        table(LOSS_TERM, at, values, TERMS),
        table(LOSS_WEIGHT, at, np.ones_like(values), TERMS),
    ]


def _long() -> list[Table]:
    """Names of 200 characters, with and without dots."""
    at = np.arange(STEPS)
    checks = at[::10]
    names = [LONG, "blocks." * 28 + "last", "head"]
    rows = (len(checks), 3)
    return [
        table(LOSS, at, _falling()),
        table(ACTIVATION_MEAN, checks, np.full(rows, 0.25), names),
        table(ACTIVATION_VARIATION, checks, np.full(rows, 0.5), names),
        table(GRADIENT_NORM, at, np.ones((STEPS, 3)), names),
        table(LOSS_TERM, at, np.stack([_falling()] * 2, axis=1), [LONG, "kl"]),
    ]


def write_edges(logdir: Path) -> None:
    """All of them."""
    at = np.arange(STEPS)
    write_run(logdir / "many_terms", _terms())
    write_run(logdir / "unsummed", _unsummed())
    write_run(logdir / "collapsing", _collapsing())
    write_run(logdir / "jumping", _jumping())
    write_run(logdir / "modules", _modules())
    write_run(logdir / "long_names", _long())
    write_run(logdir / "tiny", [table(LOSS, at, 1e-30 * _falling())])
