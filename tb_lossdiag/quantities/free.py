"""Parameters of a few numbers that belong to no layer, as learned weights of terms do: what they do to the loss; one record per check-up, never combined.

A column is the parameter's name.
"""

from __future__ import annotations

from tb_lossdiag.quantities import hints
from tb_lossdiag.quantities.quantity import Axis, Quantity


def _of(name: str) -> Quantity:
    return Quantity(f"free_{name}", "free", Axis.PARAMETER, "1", hints.CHECK_UP, optional=True)


FREE_DEVIATION = _of("deviation")
"""Of what is backpropagated: how far the gradients of the parameter are from those that it has where the loss is nothing but a multiple of
exp(-p) or of a power of p. NaN where the loss is not above 0."""
FREE_KIND = _of("kind")
"""Which of these multiples comes nearest: 0 exp(-p), 1 exp(-2p), 2 p, 3 1/p, 4 1/p^2."""
FREE_MEAN = _of("mean")
"""Mean of the parameter, before the step."""
FREE_SIZE = _of("size")
"""Mean of its absolute values."""
