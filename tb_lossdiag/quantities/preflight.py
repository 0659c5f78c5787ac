"""What a preflight found out, once, before the training. Columns: the learning rate tried, "rate x 0.1", "rate x 1", "rate x 10"."""

from __future__ import annotations

from tb_lossdiag.quantities import hints
from tb_lossdiag.quantities.quantity import Axis, Quantity


def _of(name: str, unit: str) -> Quantity:
    return Quantity(
        f"preflight_{name}", "preflight", Axis.EXTRA, unit, hints.PREFLIGHT, optional=True
    )


PREFLIGHT_STEP = _of("step", "steps")
"""By which step the batch was learned by heart: a tenth of the first loss. NaN: not learned."""
PREFLIGHT_LEFT = _of("left", "1")
"""Lowest loss over the first."""
PREFLIGHT_EVAL = _of("eval", "loss")
"""Loss of the batch in eval(), at the end."""
