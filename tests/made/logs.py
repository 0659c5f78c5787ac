"""Runs as plain logs leave them: a loss, perhaps a validation loss and a rate, and nothing else."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tb_lossdiag.quantities import (
    ACCURACY,
    LEARNING_RATE,
    LOSS,
    VALIDATION_ACCURACY,
    VALIDATION_LOSS,
    Quantity,
)
from tb_lossdiag.records import table
from tb_lossdiag.run import Run

_NAMED: dict[str, Quantity] = {
    "rate": LEARNING_RATE,
    "accuracy": ACCURACY,
    "held_out": VALIDATION_ACCURACY,
}


def log(
    loss: npt.ArrayLike,
    validation: npt.ArrayLike | None = None,
    every: int = 1,
    **others: npt.ArrayLike,
) -> Run:
    """A run of these curves, a record each `every` steps; validation is spread evenly up to the last record.

    Args:
        loss: values.
        validation: fewer or as many.
        every: steps between records.
        others: values by the name of their quantity.
    """
    count = len(np.atleast_1d(loss))
    steps = np.arange(count) * every
    tables = [table(LOSS, steps, loss)]
    tables += [table(_NAMED[name], steps, values) for name, values in others.items()]
    if validation is not None:
        points = len(np.atleast_1d(validation))
        rows = np.arange(1, points + 1) * count // points - 1
        tables.append(table(VALIDATION_LOSS, steps[rows], validation))
    return Run("log", {t.quantity.name: t for t in tables}, {})


def noisy(values: npt.ArrayLike, share: float, seed: int = 0) -> npt.NDArray[np.float64]:
    """Values with a noise of this share."""
    level = np.asarray(values, float)
    return np.asarray(level * np.random.default_rng(seed).lognormal(0, share, len(level)))
