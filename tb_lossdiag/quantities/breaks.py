"""Single steps around one at which something broke, where records cover several: the last 64, in full.

A frame is "break_" and that of the quantity which it is the single values of.
"""

from __future__ import annotations

from collections.abc import Mapping

from tb_lossdiag.quantities import hints
from tb_lossdiag.quantities.gradients import GRADIENT_NORM
from tb_lossdiag.quantities.losses import LOSS, LOSS_TERM
from tb_lossdiag.quantities.quantity import Quantity


def _of(whole: Quantity) -> Quantity:
    name = f"break_{whole.name}"
    return Quantity(name, f"break_{whole.frame}", whole.axis, whole.unit, hints.BREAK)


BREAK_LOSS = _of(LOSS)
BREAK_LOSS_TERM = _of(LOSS_TERM)
BREAK_GRADIENT_NORM = _of(GRADIENT_NORM)
BREAKS: Mapping[str, tuple[Quantity, Quantity]] = {
    whole.frame: (whole, part)
    for whole, part in (
        (LOSS, BREAK_LOSS),
        (LOSS_TERM, BREAK_LOSS_TERM),
        (GRADIENT_NORM, BREAK_GRADIENT_NORM),
    )
}
"""What is kept of a frame, and what as."""
