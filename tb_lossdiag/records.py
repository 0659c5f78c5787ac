"""What a training leaves behind: quantities, records, tables and runs.

Everything recorded is one idea: a *quantity* (what is measured, in which unit) over *columns* (what it is measured of: a
parameter, a loss term, the whole run) at *steps*. A `Record` is one step of one quantity, a `Table` all steps of it, a `Run` all
tables of one training. Nothing here knows about torch, TensorBoard or files.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Steps = npt.NDArray[np.int64]


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


@dataclass(frozen=True)
class Record:
    """One quantity at one step.

    Attributes:
        quantity: what was measured.
        columns: what of, C names without repetition.
        values: float32[C]; NaN = not recorded.
    """

    quantity: Quantity
    columns: tuple[str, ...]
    values: Floats

    def __post_init__(self) -> None:
        """Check the shape once, so that nothing downstream has to."""
        if self.values.shape != (len(self.columns),):
            msg = f"{self.quantity.name}: {len(self.columns)} columns, values of shape {self.values.shape}"
            raise ValueError(msg)
        if len(set(self.columns)) != len(self.columns):
            msg = f"{self.quantity.name}: a column name is given twice"
            raise ValueError(msg)


@dataclass(frozen=True)
class Table:
    """One quantity over a run.

    Attributes:
        quantity: what was measured.
        columns: C names; parameters in the order of `named_parameters()`, so the index is the depth.
        steps: int64[T], strictly increasing.
        walltimes: float64[T], seconds since the epoch.
        values: float32[T, C]; NaN = not recorded.
    """

    quantity: Quantity
    columns: tuple[str, ...]
    steps: Steps
    walltimes: Doubles
    values: Floats

    def __post_init__(self) -> None:
        """Check shapes and order once."""
        shape = (len(self.steps), len(self.columns))
        if self.values.shape != shape or self.walltimes.shape != self.steps.shape:
            msg = f"{self.quantity.name}: values {self.values.shape}, expected {shape}"
            raise ValueError(msg)
        if np.any(np.diff(self.steps) <= 0):
            msg = f"{self.quantity.name}: steps must increase"
            raise ValueError(msg)

    def __len__(self) -> int:
        """Number of records T."""
        return len(self.steps)

    def column(self, name: str) -> Floats:
        """float32[T] of one column; all NaN if there is no such column."""
        if name not in self.columns:
            return np.full(len(self), np.nan, np.float32)
        return self.values[:, self.columns.index(name)]

    def at(self, steps: Steps, columns: Sequence[str] | None = None) -> Floats:
        """float32[len(steps), C]: the values at these steps and columns, NaN where not recorded."""
        wanted = self.columns if columns is None else tuple(columns)
        values = np.full((len(steps), len(wanted)), np.nan, np.float32)
        found = np.isin(steps, self.steps)
        rows = np.searchsorted(self.steps, steps[found])
        position = {name: index for index, name in enumerate(self.columns)}
        for index, name in enumerate(wanted):
            if name in position:
                values[found, index] = self.values[rows, position[name]]
        return values


@dataclass(frozen=True)
class Run:
    """All tables of one training.

    Attributes:
        name: run name, as TensorBoard shows it.
        tables: by quantity name.
        facts: what does not vary and only words the advice, e.g. {"optimizer": "AdamW"}.
    """

    name: str
    tables: Mapping[str, Table] = field(default_factory=dict)
    facts: Mapping[str, str] = field(default_factory=dict)

    def __getitem__(self, quantity: Quantity) -> Table:
        """The table of a quantity.

        Raises:
            KeyError: it was not recorded, or the rule that asks did not declare it in `reads`.
        """
        return self.tables[quantity.name]

    def __contains__(self, quantity: Quantity) -> bool:
        """Whether at least one record of the quantity exists."""
        table = self.tables.get(quantity.name)
        return table is not None and len(table) > 0

    def only(self, quantities: Iterable[Quantity]) -> Run:
        """The same run with these quantities alone."""
        names = {quantity.name for quantity in quantities}
        return Run(
            self.name, {name: t for name, t in self.tables.items() if name in names}, self.facts
        )

    def aligned(self, *quantities: Quantity) -> tuple[Table, ...]:
        """The tables on their common steps and columns (cadences may differ)."""
        tables = [self[quantity] for quantity in quantities]
        steps = tables[0].steps
        columns: tuple[str, ...] = tables[0].columns
        for table in tables[1:]:
            steps = np.intersect1d(steps, table.steps, assume_unique=True)
            columns = tuple(name for name in columns if name in table.columns)
        return tuple(_restricted(table, steps, columns) for table in tables)

    def last_step(self) -> int | None:
        """Largest step of any record."""
        return max((int(t.steps[-1]) for t in self.tables.values() if len(t)), default=None)

    def first_step(self) -> int | None:
        """Smallest step of any record."""
        return min((int(t.steps[0]) for t in self.tables.values() if len(t)), default=None)


def _restricted(table: Table, steps: Steps, columns: tuple[str, ...]) -> Table:
    walltimes = table.walltimes[np.isin(table.steps, steps)]
    return Table(table.quantity, columns, steps, walltimes, table.at(steps, columns))


def table(
    quantity: Quantity,
    steps: npt.ArrayLike,
    values: npt.ArrayLike,
    columns: Sequence[str] = ("",),
    walltimes: npt.ArrayLike | None = None,
) -> Table:
    """Build a table from anything array-like; float32[T] values become one column.

    >>> table(LOSS, [0, 1], [2.0, 1.5]).values.shape
    (2, 1)
    """
    at: Steps = np.asarray(steps, np.int64)
    matrix: Floats = np.asarray(values, np.float32).reshape(len(at), -1)
    times: Any = at if walltimes is None else walltimes
    return Table(quantity, tuple(columns), at, np.asarray(times, np.float64), matrix)
