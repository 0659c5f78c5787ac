"""Second networks: modules that are called, not trained, and shaped like one that is; one record per check-up, never combined.

A column is the trained module's name, then "name 2" for its second copy.
"""

from __future__ import annotations

from tb_lossdiag.quantities import hints
from tb_lossdiag.quantities.quantity import Axis, Quantity


def _of(name: str) -> Quantity:
    return Quantity(name, "copy", Axis.MODULE, "1", hints.CHECK_UP, optional=True)


COPY_DISTANCE = _of("copy_distance")
"""Norm of the difference between both networks' parameters over the norm of the trained one's, before the step."""
COPY_MOVED = _of("copy_moved")
"""How far the copy has moved since the first check-up that saw it, over its norm then."""
ORIGINAL_MOVED = _of("original_moved")
"""The same of the trained network."""
COPY_BEGAN = Quantity("copy_began", "copy_began", Axis.MODULE, "1", hints.CHECK_UP, optional=True)
"""How far the copy is from what the trained network was in the first check-up, over the trained one's norm then; where it was seen later."""
COPY_WRITTEN = Quantity(
    "copy_written", "copy_written", Axis.MODULE, "times", hints.CHECK_UP, optional=True
)
"""How often all of its parameters have been written in place since the first check-up that saw it, whatever was written."""
COPY_STATISTICS = Quantity(
    "copy_statistics",
    "copy_statistics",
    Axis.MODULE,
    "standard deviations",
    hints.CHECK_UP,
    optional=True,
)
"""How far what the copy's batch normalisation remembers is from what the trained network's does: of means, in standard deviations, or of these, by how
much more than once; the larger of both medians over channels, the largest of the first eight modules. Absent where it takes the batch's own."""
COPY_STATISTICS_MOVED = Quantity(
    "copy_statistics_moved", "copy_statistics", Axis.MODULE, "0 or 1", hints.CHECK_UP, optional=True
)
"""1 if what it remembers has changed since the first check-up that saw it, 0 if it is the same to the bit."""
