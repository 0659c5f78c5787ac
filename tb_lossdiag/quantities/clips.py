"""The clip ledger. A column is a clip call: "clip", "clip 2" … in the order they were first seen; "clip value" for clipping by value."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tb_lossdiag.quantities import hints
from tb_lossdiag.quantities.quantity import Axis, Combine, Quantity

_SUM, _MEAN = Combine.SUM, Combine.MEAN

CLIP_GLOBAL_NORM = Quantity(
    "clip_global_norm",
    "clip",
    Axis.CLIP,
    "L2 norm",
    hints.CLIP,
    nonfinite="clip_nonfinite",
    extremes=True,
)
"""Norm over all gradients of the clipped set as one vector, before clipping."""
CLIP_NORM_AFTER = Quantity("clip_norm_after", "clip", Axis.CLIP, "L2 norm", hints.CLIP)
"""The same norm after clipping."""
CLIP_NONFINITE = Quantity("clip_nonfinite", "clip", Axis.CLIP, "clips", hints.CLIP, combine=_SUM)
"""Clips whose norm was NaN or Inf."""
CLIP_MAX_NORM = Quantity("clip_max_norm", "clip", Axis.CLIP, "L2 norm", hints.CLIP)
"""The bound; of a clip by value, the bound of one element."""
CLIP_CALLS = Quantity("clip_calls", "clip", Axis.CLIP, "clips", hints.CLIP, combine=_SUM)
"""Clips in the record's window."""
CLIP_BOUND = Quantity(
    "clip_bound", "clip", Axis.CLIP, "clips", hints.CLIP, combine=_SUM, extremes=True
)
"""Clips among them that changed a gradient; `highest_lag` gives the first of them."""
CLIP_AFTER_STEP = Quantity(
    "clip_after_step",
    "clip",
    Axis.CLIP,
    "share",
    f"clip with writer.clip_grad_norm_, and {hints.OPTIMIZER}",
    optional=True,
    combine=_MEAN,
)
"""1 where the clipped gradients had already been used by `optimizer.step()`, 0 where not, NaN where it could not be seen."""
CLIP_BEFORE_UNSCALE = Quantity(
    "clip_before_unscale",
    "clip",
    Axis.CLIP,
    "share",
    f"clip with writer.clip_grad_norm_, and {hints.SCALER}",
    optional=True,
    combine=_MEAN,
)
"""1 where the gradients still carried the GradScaler's scale when they were clipped, 0 where not."""
CLIP_PARAMETERS = Quantity("clip_parameters", "clip", Axis.CLIP, "parameters", hints.CLIP)
"""Parameters with a gradient in the clipped set."""

CLIP_EPSILON = 1e-6
"""What torch adds to the norm before it divides by it."""


def clip_coefficient(norm: npt.ArrayLike, bound: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """What `torch.nn.utils.clip_grad_norm_` multiplies the gradients with; below 1 it has changed them.

    Args:
        norm: total norm before the clip, at least 0; any shape, NaN where not known.
        bound: `max_norm`.

    Returns:
        float64, min(1, bound / (norm + 1e-6)); NaN where one of them is not known.

    >>> clip_coefficient([0.5, 2.0], 1.0).round(3).tolist()
    [1.0, 0.5]
    """
    total, limit = np.asarray(norm, np.float64), np.asarray(bound, np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.minimum(1.0, limit / (total + CLIP_EPSILON))
