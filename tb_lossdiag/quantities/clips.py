"""The clip ledger. A column is a clip call: "clip", "clip 2" … in the order they were first seen; "clip value" for clipping by value."""

from __future__ import annotations

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
