"""What a log tells of experts, layer by layer: how it was in the first twentieth of its records, and in the last half."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.inside import seen
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.records import Doubles, Steps
from tb_lossdiag.run import Run


@dataclass(frozen=True)
class Layer:
    """A layer's column.

    Attributes:
        quantity: that the log has.
        name: of the layer, "" for the mean of all.
        steps: of the last half.
        values: of the last half.
        early: median of the first twentieth.
        added: what makes a ratio of the quantity.
    """

    quantity: Quantity
    name: str
    steps: Steps
    values: Doubles
    early: float
    added: float = 0.0

    @property
    def observed(self) -> float:
        """Median of the last half, as it is logged."""
        return float(np.median(self.values))

    @property
    def late(self) -> float:
        """The same, as a ratio."""
        return self.observed + self.added

    @property
    def least(self) -> float:
        """Smallest of the last half."""
        return float(self.values.min())

    def as_logged(self, ratio: float) -> float:
        """A ratio, as it would be logged."""
        return ratio - self.added


def loads(run: Run, least: int) -> list[Layer]:
    """The load of each layer's busiest expert over its fair share; where layers are known, their mean is left out."""
    return _apart(_layers(run, q.LOGGED_LOAD, least) or _layers(run, q.LOGGED_EXCESS, least, 1.0))


def idle_shares(run: Run, least: int) -> list[Layer]:
    """The share of each layer's experts that get no tokens."""
    return _apart(_layers(run, q.LOGGED_IDLE, least))


def _layers(run: Run, quantity: Quantity, least: int, added: float = 0.0) -> list[Layer]:
    if quantity not in run:
        return []
    found = []
    for name, steps, values in seen(run, quantity, least):
        first, half = max(len(values) // 20, 1), len(values) // 2
        early = float(np.median(values[:first])) + added
        found.append(Layer(quantity, name, steps[half:], values[half:], early, added))
    return found


def _apart(layers: list[Layer]) -> list[Layer]:
    named = [each for each in layers if each.name]
    return named or layers
