"""What the operations show that a step's loss was made of; one record per check-up, never combined.

Absent where a loss has no such part.
"""

from __future__ import annotations

from tb_lossdiag.quantities import hints
from tb_lossdiag.quantities.quantity import Axis, Quantity


def _of(name: str, unit: str) -> Quantity:
    return Quantity(name, name, Axis.RUN, unit, hints.CHECK_UP, optional=True)


FOCUS_OF_MEAN = _of("focus_of_mean", "samples")
"""Samples of a class loss whose mean was multiplied with what was made of exp(-mean), as a focal loss does it with each sample's."""
