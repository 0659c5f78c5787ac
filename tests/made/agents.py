"""Logs of agents and of preference tunings: curves by the name of their quantity, a record a step."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from tb_lossdiag.quantities import BY_NAME, LOSS, REWARD_TERM
from tb_lossdiag.records import table
from tb_lossdiag.run import Run

RECORDS = 200


def agent(records: int = RECORDS, every: int = 1, **curves: npt.ArrayLike) -> Run:
    """A log of these curves; a number is a constant one, fewer values than records are spread evenly up to the last."""
    steps = np.arange(records) * every
    tables = [table(LOSS, steps, np.full(records, 0.1))]
    for name, given in curves.items():
        values = (
            np.broadcast_to(np.asarray(given, float), records) if np.ndim(given) == 0 else given
        )
        count = len(np.asarray(values))
        rows = np.arange(1, count + 1) * records // count - 1
        tables.append(table(BY_NAME[name], steps[rows], values))
    return Run("agent", {t.quantity.name: t for t in tables}, {})


def with_terms(run: Run, terms: Mapping[str, npt.ArrayLike]) -> Run:
    """The run with these reward terms."""
    values = np.stack([np.asarray(v, float) for v in terms.values()], axis=1)
    made = table(REWARD_TERM, np.arange(len(values)), values, tuple(terms))
    return Run(run.name, {**run.tables, REWARD_TERM.name: made}, run.facts)


def learning(
    records: int = RECORDS, *, until: float = 1.0, noise: float = 0.01, seed: int = 0
) -> npt.NDArray[np.float64]:
    """A score that rises from 0.2 to 0.8 up to a share of the run, and stays there."""
    rise = np.clip(np.linspace(0, 1, records) / until, 0, 1)
    spread = np.random.default_rng(seed).normal(0, noise, records)
    return np.asarray(0.2 + 0.6 * rise + spread)


def ramp(
    first: float, last: float, records: int = RECORDS, since: float = 0.0
) -> npt.NDArray[np.float64]:
    """A straight line from one value to another, level until a share of the run."""
    return np.interp(np.linspace(0, 1, records), [0, since, 1], [first, first, last])
