"""Per parameter: gradients, weights and what a step changes. Columns in the order of `named_parameters()`.

With several watched models a column begins with the name given to `watch` and a slash.
"""

from __future__ import annotations

from enum import IntEnum

from tb_lossdiag.quantities import hints
from tb_lossdiag.quantities.quantity import Axis, Combine, Quantity

_P = Axis.PARAMETER


class Role(IntEnum):
    """What a parameter is, by the module that holds it."""

    OTHER = 0
    WEIGHT = 1
    BIAS = 2
    NORM = 3
    EMBEDDING = 4


GRADIENT_NORM = Quantity(
    "gradient_norm",
    "parameter",
    _P,
    "L2 norm",
    hints.MODEL,
    nonfinite="gradient_nonfinite",
    extremes=True,
)
"""L2 norm of one parameter's gradient, before clipping and after unscaling. NaN where the parameter had no gradient."""
GRADIENT_NONFINITE = Quantity(
    "gradient_nonfinite", "parameter", _P, "elements", hints.MODEL, combine=Combine.SUM
)
"""NaN and Inf elements of the gradient; at least 1 per broken step where the device could not be asked. NaN: no gradient."""

PARAMETER_NORM = Quantity("parameter_norm", "weight", _P, "L2 norm", hints.MODEL)
"""L2 norm of the parameter itself; NaN where it was frozen (`requires_grad` is False). Sparse with `watch`."""

UPDATE_NORM = Quantity("update_norm", "update", _P, "L2 norm", hints.WATCH)
"""L2 norm of the change that this step's `optimizer.step()` made, from the values before and after. Sparse."""
GRADIENT_ABS_MAX = Quantity("gradient_abs_max", "element", _P, "gradient", hints.WATCH)
"""Largest absolute element of the gradient at `optimizer.step()`. Sparse."""
GRADIENT_ZERO_SHARE = Quantity("gradient_zero_share", "element", _P, "1", hints.WATCH)
"""Share of the gradient's elements that are exactly 0. Sparse."""

TWIN_SHARE = Quantity("twin_share", "twins", _P, "1", hints.CHECK_UP, optional=True)
"""Share of a trainable weight matrix's rows (up to 32 of them, 64 elements of each) that another row equals, to a thousandth of their root
mean square; NaN for what has fewer than 3 rows or 2 elements a row, or is 0. One record per check-up."""

SECOND_MOMENT_ROOT = Quantity(
    "second_moment_root", "denominator", _P, "gradient", hints.CHECK_UP, optional=True
)
"""Median of the root of the second moments by which an optimizer divides its steps (corrected for their beginning at 0), of 256 elements of a
weight matrix; those that never had a gradient left out. One record per check-up."""
EPSILON = Quantity("epsilon", "denominator", _P, "gradient", hints.CHECK_UP, optional=True)
"""What the optimizer adds to that root."""

TIE_COSINE = Quantity("tie_cosine", "ties", _P, "1", hints.CHECK_UP, optional=True)
"""Cosine between a weight matrix and the one that it was tied to when the model was first looked at, or that the model's config ties it to; 1 while both
are one tensor. Absent where nothing is tied. One record per check-up."""

PARAMETER_SIZE = Quantity("parameter_size", "layers", _P, "elements", hints.MODEL)
"""Number of elements of the parameter; recorded once per session, and again when the set of parameters changes."""
PARAMETER_HELD = Quantity("parameter_held", "layers", _P, "0 or 1", hints.OPTIMIZER, optional=True)
"""1 where an optimizer given to the writer holds the parameter, 0 where none does. Recorded when it changes."""
PARAMETER_TRAINABLE = Quantity("parameter_trainable", "layers", _P, "0 or 1", hints.MODEL)
"""`requires_grad`."""
PARAMETER_ROLE = Quantity("parameter_role", "layers", _P, "Role", hints.MODEL)
"""A `Role`."""
PARAMETER_DECAY = Quantity("parameter_decay", "layers", _P, "1", hints.OPTIMIZER, optional=True)
"""Weight decay of the parameter's group; NaN where no optimizer holds it or has none."""
PARAMETER_FOREIGN = Quantity(
    "parameter_foreign", "origin", _P, "0 or 1", hints.MODEL, optional=True
)
"""1 where the parameter lies in a module whose class an installed package other than torch defines. Absent where none does."""
PARAMETER_CLIPPED = Quantity("parameter_clipped", "layers", _P, "0 or 1", hints.CLIP, optional=True)
"""1 where the newest clip included the parameter, 0 where not; NaN while no clip was seen."""
