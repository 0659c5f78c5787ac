"""How often an optimizer's step uses the very gradients that a step before has used."""

from __future__ import annotations

from typing import Any

import numpy as np

from tb_lossdiag.collect.state.optimizers import Optimizers
from tb_lossdiag.quantities import LOOKED_STEPS, REUSED_STEPS
from tb_lossdiag.records import Record

_REUSE_EVERY = 7
"""Steps between two looks, at least; odd, so that they fall on the first and on the second of two steps."""


class GradientReuse:
    """Looks at some of an optimizer's steps, and counts.

    Args:
        name: of the watched model.
        optimizer: its optimizer.
        optimizers: know which gradients each one's last step has used.
        every: steps between two looks at the gradients.

    Attributes:
        apart: steps between two looks at whether they are used again.
    """

    def __init__(self, name: str, optimizer: Any, optimizers: Optimizers, every: int = 1) -> None:
        self.apart = max(_REUSE_EVERY, every | 1)
        self._name, self._optimizer, self._optimizers = name, optimizer, optimizers
        self._looked = self._reused = self._said = 0

    def due(self, taken: int) -> bool:
        """Whether to look at the step that comes after so many."""
        return taken % self.apart == self.apart - 1

    def look(self) -> None:
        """Whether the step that begins uses gradients that a step before has used."""
        self._looked += 1
        self._reused += self._optimizers.reuses(self._optimizer)

    def news(self) -> list[Record]:
        """How many steps did, and how many were looked at, if it is more than was said."""
        if self._reused <= self._said:
            return []
        self._said = self._reused
        counts = {REUSED_STEPS: self._reused, LOOKED_STEPS: self._looked}
        return [Record(q, (self._name,), np.array([n], np.float32)) for q, n in counts.items()]
