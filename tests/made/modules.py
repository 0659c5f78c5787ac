"""What a check-up sees of a healthy run's modules, and ways to make them sick."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from made.check_ups import check_steps, with_tables
from tb_lossdiag.quantities import (
    ACTIVATION_ABS_MAX,
    ACTIVATION_MEAN,
    ACTIVATION_NONFINITE,
    ACTIVATION_STD,
    ACTIVATION_VARIATION,
    DEAD_SHARE,
    EFFECTIVE_RANK,
    LOSS,
    MODULE_FED_BY,
    MODULE_KIND,
    MODULE_LAST,
    SATURATED_SHARE,
    ZERO_SHARE,
    Kind,
    frame_quantities,
)
from tb_lossdiag.records import Steps, Table, table
from tb_lossdiag.run import Run


def module_tables(rng: np.random.Generator, at: Steps, layers: int) -> list[Table]:
    """A chain of linear layers with an activation function after each but the last."""
    kind = Kind.RELU if rng.random() < 0.5 else Kind.SATURATING
    names = [f"body.{index}" for index in range(2 * layers - 1)]
    kinds = np.array([kind if index % 2 else Kind.LINEAR for index in range(len(names))], float)
    active, grid = kinds != Kind.LINEAR, np.ones((len(at), len(names)))
    relu, tanh = kinds == Kind.RELU, kinds == Kind.SATURATING
    std = rng.uniform(0.3, 1.5, grid.shape)
    return [
        table(ACTIVATION_MEAN, at, np.where(relu, 0.4, 0.0) * grid, names),
        table(ACTIVATION_STD, at, std, names),
        table(ACTIVATION_ABS_MAX, at, 4 * std, names),
        table(ACTIVATION_NONFINITE, at, 0 * grid, names),
        table(ZERO_SHARE, at, np.where(relu, 0.5, 0.0) * grid, names),
        table(DEAD_SHARE, at, np.where(relu, rng.uniform(0, 0.2, grid.shape), np.nan), names),
        table(SATURATED_SHARE, at, np.where(tanh, rng.uniform(0, 0.3, grid.shape), np.nan), names),
        table(ACTIVATION_VARIATION, at, rng.uniform(0.3, 1.0, grid.shape), names),
        table(EFFECTIVE_RANK, at, np.where(active, np.nan, rng.uniform(20, 30, grid.shape)), names),
        *layout_tables(at, names, kinds),
    ]


def layout_tables(at: Steps, names: list[str], kinds: npt.ArrayLike) -> list[Table]:
    """A chain of each watched model's: each module feeds the next, the last is the model's output."""
    values = np.asarray(kinds, float)[None, :]
    models = [name.partition("/")[0] if "/" in name else "" for name in names]
    before = [models[:index].count(model) for index, model in enumerate(models)]
    fed = np.array([place - 1 if place else np.nan for place in before])
    last = np.arange(len(names)) == len(names) - 1
    return [
        table(MODULE_KIND, at[:1], values, names),
        table(MODULE_FED_BY, at[:1], fed[None, :], names),
        table(MODULE_LAST, at[:1], last[None, :], names),
    ]


def with_modules(run: Run, kinds: Mapping[str, Kind], **facts: npt.ArrayLike) -> Run:
    """The run with a chain of these modules instead of its own; facts by quantity name, broadcast to (check-ups, modules)."""
    at, names = check_steps(run[LOSS].steps), list(kinds)
    own = {q.name: np.full((len(at), len(names)), np.nan) for q in frame_quantities("module")}
    for quantity, value in (
        (ACTIVATION_STD, 1.0),
        (ACTIVATION_ABS_MAX, 4.0),
        (ACTIVATION_NONFINITE, 0.0),
    ):
        own[quantity.name][:] = value
    own |= {
        name: np.broadcast_to(np.asarray(v, float), (len(at), len(names)))
        for name, v in facts.items()
    }
    tables = [table(q, at, own[q.name], names) for q in frame_quantities("module")]
    return with_tables(run, [*tables, *layout_tables(at, names, [kinds[name] for name in names])])
