"""What can be measured of a training: one constant per quantity.

A *quantity* has a name, a unit, and columns that stand for something: parameters, loss terms, the run. A new diagnostic is one
constant here and one collector; writer, schema, reader, routes and charts are generic.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum


class Axis(Enum):
    """What one column of a quantity stands for."""

    RUN = "run"
    PARAMETER = "parameter"
    TERM = "loss term"
    GROUP = "parameter group"
    CLIP = "clip call"
    EXTRA = "own value"


@dataclass(frozen=True)
class Quantity:
    """A thing that is measured.

    Attributes:
        name: unique snake-case name, also used on the wire and in JSON.
        frame: quantities of one frame share columns and cadence and travel as one matrix.
        axis: what a column is.
        unit: unit of the values; "1" for dimensionless ones.
        how: how a user gets it recorded, one English clause (shown when a rule misses it).
        nonfinite: name of the quantity that counts NaN and Inf in this one, if there is one.
        optional: it may be unknown although its frame is recorded; a table without a value counts as not recorded.
    """

    name: str
    frame: str
    axis: Axis
    unit: str
    how: str
    nonfinite: str | None = None
    optional: bool = False


_MODEL = "pass the model to add_diagnostics after backward()"
_LOSS = "pass loss= to add_diagnostics"
_TERMS = "pass loss_terms= to add_diagnostics"
_VALIDATION = 'call add_diagnostics(loss=…, phase="validation")'
_CLIP = "clip with writer.clip_grad_norm_ or pass clip=(total_norm, max_norm)"
_OPTIMIZER = "pass optimizer= to add_diagnostics"

GRADIENT_NORM = Quantity(
    "gradient_norm", "parameter", Axis.PARAMETER, "L2 norm", _MODEL, "gradient_nonfinite"
)
"""L2 norm of one parameter's gradient, before clipping and after unscaling. NaN where the parameter had no gradient."""
GRADIENT_NONFINITE = Quantity("gradient_nonfinite", "parameter", Axis.PARAMETER, "elements", _MODEL)
"""Number of NaN and Inf elements in the gradient; NaN where the parameter had no gradient."""
PARAMETER_NORM = Quantity("parameter_norm", "parameter", Axis.PARAMETER, "L2 norm", _MODEL)
"""L2 norm of the parameter itself; NaN where it was frozen (`requires_grad` is False)."""
PARAMETER_SIZE = Quantity("parameter_size", "layers", Axis.PARAMETER, "elements", _MODEL)
"""Number of elements of the parameter; recorded once per session, and again when the set of parameters changes."""
PARAMETER_HELD = Quantity(
    "parameter_held", "layers", Axis.PARAMETER, "0 or 1", _OPTIMIZER, optional=True
)
"""1 where an optimizer given to the writer holds the parameter, 0 where none does. Recorded when it changes."""

LOSS = Quantity("loss", "loss", Axis.RUN, "loss", _LOSS, "loss_nonfinite")
"""Total training loss. NaN where `LOSS_NONFINITE` is 1 and the loss was NaN; an infinite loss is kept as infinity."""
LOSS_NONFINITE = Quantity("loss_nonfinite", "loss", Axis.RUN, "0 or 1", _LOSS)
LOSS_TERM = Quantity("loss_term", "term", Axis.TERM, "loss", _TERMS, "loss_term_nonfinite")
"""Value of one addend of the loss before its weight."""
LOSS_WEIGHT = Quantity("loss_weight", "term", Axis.TERM, "1", _TERMS)
"""Weight of the addend; contribution = weight x value."""
LOSS_TERM_NONFINITE = Quantity("loss_term_nonfinite", "term", Axis.TERM, "0 or 1", _TERMS)

VALIDATION_LOSS = Quantity(
    "validation_loss", "validation_loss", Axis.RUN, "loss", _VALIDATION, "validation_loss_nonfinite"
)
VALIDATION_LOSS_NONFINITE = Quantity(
    "validation_loss_nonfinite", "validation_loss", Axis.RUN, "0 or 1", _VALIDATION
)
VALIDATION_LOSS_TERM = Quantity(
    "validation_loss_term",
    "validation_term",
    Axis.TERM,
    "loss",
    _VALIDATION,
    "validation_loss_term_nonfinite",
)
VALIDATION_LOSS_WEIGHT = Quantity(
    "validation_loss_weight", "validation_term", Axis.TERM, "1", _VALIDATION
)
VALIDATION_LOSS_TERM_NONFINITE = Quantity(
    "validation_loss_term_nonfinite", "validation_term", Axis.TERM, "0 or 1", _VALIDATION
)

CLIP_GLOBAL_NORM = Quantity(
    "clip_global_norm", "clip", Axis.CLIP, "L2 norm", _CLIP, "clip_nonfinite"
)
"""Norm over all gradients of the clipped set as one vector, before clipping."""
CLIP_NONFINITE = Quantity("clip_nonfinite", "clip", Axis.CLIP, "0 or 1", _CLIP)
"""1 where that norm was NaN or Inf."""
CLIP_MAX_NORM = Quantity("clip_max_norm", "clip", Axis.CLIP, "L2 norm", _CLIP)
CLIP_AFTER_STEP = Quantity(
    "clip_after_step",
    "clip",
    Axis.CLIP,
    "0 or 1",
    "clip with writer.clip_grad_norm_ and pass optimizer= to add_diagnostics",
    optional=True,
)
"""1 where the clipped gradients had already been used by `optimizer.step()`, 0 where not, NaN where it could not be seen."""

LEARNING_RATE = Quantity("learning_rate", "group", Axis.GROUP, "1", _OPTIMIZER)
MOMENTUM = Quantity("momentum", "group", Axis.GROUP, "1", _OPTIMIZER, optional=True)
"""SGD momentum or Adam's first beta; NaN where the optimizer has none."""
AMP_SCALE = Quantity("amp_scale", "amp", Axis.RUN, "1", "pass scaler= to add_diagnostics")
EXTRA = Quantity("extra", "extra", Axis.EXTRA, "own", "pass extra= to add_diagnostics")
OTHER_WRITERS = Quantity(
    "other_writers",
    "session",
    Axis.RUN,
    "writers",
    "record with tb_lossdiag.SummaryWriter",
)
"""Writers that were still open in the same run folder when this session's writer opened."""

QUANTITIES: tuple[Quantity, ...] = (
    GRADIENT_NORM,
    PARAMETER_NORM,
    GRADIENT_NONFINITE,
    PARAMETER_SIZE,
    PARAMETER_HELD,
    LOSS,
    LOSS_NONFINITE,
    LOSS_TERM,
    LOSS_WEIGHT,
    LOSS_TERM_NONFINITE,
    VALIDATION_LOSS,
    VALIDATION_LOSS_NONFINITE,
    VALIDATION_LOSS_TERM,
    VALIDATION_LOSS_WEIGHT,
    VALIDATION_LOSS_TERM_NONFINITE,
    CLIP_GLOBAL_NORM,
    CLIP_NONFINITE,
    CLIP_MAX_NORM,
    CLIP_AFTER_STEP,
    LEARNING_RATE,
    MOMENTUM,
    AMP_SCALE,
    EXTRA,
    OTHER_WRITERS,
)
BY_NAME: Mapping[str, Quantity] = {quantity.name: quantity for quantity in QUANTITIES}


def frame_quantities(frame: str) -> tuple[Quantity, ...]:
    """The quantities that travel in `frame`, in wire order."""
    return tuple(quantity for quantity in QUANTITIES if quantity.frame == frame)
