"""What a quantity is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Axis(Enum):
    """What one column of a quantity stands for."""

    RUN = "run"
    PARAMETER = "parameter"
    TERM = "loss term"
    PAIR = "pair of loss terms"
    GROUP = "parameter group"
    CLIP = "clip call"
    MODULE = "module"
    CALL = "loss call"
    LABEL = "class label"
    WATCH = "watched model"
    EXTRA = "own value"


class Combine(Enum):
    """How the steps of a window become one number; NaN = not recorded never counts."""

    LAST = "last"
    MEAN = "mean"
    SUM = "sum"
    MAX = "max"
    MIN = "min"


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
        combine: how a record that covers several steps sums them up.
        extremes: such a record also keeps the largest and smallest value and where the largest was: the quantities
            `<name>_max`, `<name>_max_lag` and `<name>_min` of the frame `<frame>_window`.
    """

    name: str
    frame: str
    axis: Axis
    unit: str
    how: str
    nonfinite: str | None = None
    optional: bool = False
    combine: Combine = Combine.LAST
    extremes: bool = False

    def highest(self) -> Quantity:
        """Largest value in the record's window. Not recorded where every record covers one step."""
        return Quantity(f"{self.name}_max", f"{self.frame}_window", self.axis, self.unit, self.how)

    def highest_lag(self) -> Quantity:
        """Steps between the largest value and the record: it was at `step - lag`."""
        name = f"{self.name}_max_lag"
        return Quantity(name, f"{self.frame}_window", self.axis, "steps", self.how)

    def lowest(self) -> Quantity:
        """Smallest value in the record's window."""
        return Quantity(f"{self.name}_min", f"{self.frame}_window", self.axis, self.unit, self.how)
