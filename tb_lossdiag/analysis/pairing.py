"""Correlations of predictions and targets, as check-ups have recorded them, put together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import at_steps, columns
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.records import Doubles, Steps
from tb_lossdiag.run import Run

_NONE = np.zeros(0, np.int64)


@dataclass(frozen=True)
class Correlation:
    """One kind of correlation of one loss call.

    Attributes:
        call: its column.
        steps: int64[T] of the check-ups that know it.
        values: float64[T].
        errors: float64[T]: standard errors.
    """

    call: str
    steps: Steps
    values: Doubles
    errors: Doubles

    def __len__(self) -> int:
        """Check-ups."""
        return len(self.steps)

    def at(self, steps: Steps) -> Correlation:
        """Of it what these check-ups know."""
        rows = np.isin(self.steps, steps)
        return Correlation(self.call, self.steps[rows], self.values[rows], self.errors[rows])

    def last(self, count: int) -> Correlation:
        """The newest."""
        return self.at(self.steps[-count:])

    def pooled(self) -> tuple[float, float]:
        """(mean, its standard error), each check-up counting as much as it knows.

        >>> two = Correlation("mse_loss", np.array([1, 2]), np.array([0.1, 0.3]), np.array([0.1, 0.1]))
        >>> tuple(round(x, 3) for x in two.pooled())
        (0.2, 0.071)
        """
        weights = 1 / np.maximum(self.errors, 1e-6) ** 2
        mean = float((weights * self.values).sum() / weights.sum())
        return mean, float(weights.sum() ** -0.5)


def correlations(run: Run, value: Quantity, error: Quantity) -> dict[str, Correlation]:
    """Of each loss call that has it."""
    found = {}
    for call, steps, values in columns(run, value):
        errors = at_steps(run, error, steps, call)
        known = np.isfinite(errors)
        if known.any():
            found[call] = Correlation(call, steps[known], values[known], errors[known])
    return found


def paired(run: Run) -> dict[str, Correlation]:
    """Of predictions with their own targets. Reads `CALL_PAIRED` and `CALL_PAIRED_ERROR`."""
    return correlations(run, q.CALL_PAIRED, q.CALL_PAIRED_ERROR)


def unknown(call: str) -> Correlation:
    """Of a call that no check-up knows it of."""
    return Correlation(call, _NONE, np.zeros(0), np.zeros(0))
