"""What a quantity is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import cache


class Axis(Enum):
    """What one column of a quantity stands for."""

    RUN = "run"
    PARAMETER = "parameter"
    TERM = "loss term"
    PAIR = "pair of loss terms"
    REACH = "loss term and watched model"
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

    def __hash__(self) -> int:
        """Names are unique, and their hash is at hand."""
        return hash(self.name)

    def highest(self) -> Quantity:
        """Largest value in the record's window. Not recorded where every record covers one step."""
        return _part(self, "max", self.unit)

    def highest_lag(self) -> Quantity:
        """Steps between the largest value and the record: it was at `step - lag`, the first time if several times."""
        return _part(self, "max_lag", "steps")

    def lowest(self) -> Quantity:
        """Smallest value in the record's window."""
        return _part(self, "min", self.unit)


@cache
def _part(whole: Quantity, name: str, unit: str) -> Quantity:
    return Quantity(f"{whole.name}_{name}", f"{whole.frame}_window", whole.axis, unit, whole.how)
