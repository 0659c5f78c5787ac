"""At which levels two runs begin and end: a loss that is twice the other's from the first record on differs, whatever was set."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from tb_lossdiag.analysis.levels import noise
from tb_lossdiag.diagnosis.rule import short_number
from tb_lossdiag.quantities import (
    ACCURACY,
    GLOBAL_NORM,
    LOSS,
    VALIDATION_ACCURACY,
    VALIDATION_LOSS,
    Quantity,
)
from tb_lossdiag.records import Doubles
from tb_lossdiag.run import Run

_COMPARED = (LOSS, VALIDATION_LOSS, ACCURACY, VALIDATION_ACCURACY, GLOBAL_NORM)
_FIRST = 3
ERRORS = 5.0
"""Standard errors of the difference; seeds of one training are closer."""
VISIBLE = 0.1
"""Share of the larger level; seeds differ by less."""


class Level(NamedTuple):
    """A median and its standard error."""

    value: float
    error: float


def level_differences(a: Run, b: Run) -> Iterator[tuple[str, str, str]]:
    """What, and the level of either run there, where they differ by more than noise explains and by a tenth."""
    for quantity in _COMPARED:
        for name, mine, other in both(a, b, quantity):
            for what, late in (("first records", False), ("last quarter", True)):
                one, two = (level(values, _part(values, late=late)) for values in (mine, other))
                if differ(one, two):
                    yield f"{name}, {what}", short_number(one.value), short_number(two.value)


def both(a: Run, b: Run, quantity: Quantity) -> Iterator[tuple[str, Doubles, Doubles]]:
    """Finite values of each column that both runs have enough of, by the column's name."""
    mine, other = _values(a, quantity), _values(b, quantity)
    for column in mine.keys() & other.keys():
        name = f"{quantity.name}[{column}]" if column else quantity.name
        yield name, mine[column], other[column]


def _values(run: Run, quantity: Quantity) -> dict[str, Doubles]:
    if quantity not in run:
        return {}
    table = run[quantity]
    each = {name: table.column(name).astype(np.float64) for name in table.columns}
    finite = {name: values[np.isfinite(values)] for name, values in each.items()}
    return {name: values for name, values in finite.items() if len(values) >= _FIRST}


def _part(values: Doubles, *, late: bool) -> Doubles:
    return values[-max(_FIRST, len(values) // 4) :] if late else values[:_FIRST]


def level(values: Doubles, part: Doubles) -> Level:
    """Where a part of a curve lies."""
    error = 1.25 * noise(values) / math.sqrt(len(part))  # 1.25: of a median
    return Level(float(np.median(part)), error)


def differ(one: Level, other: Level) -> bool:
    """Whether that is more than noise, and enough to matter."""
    apart = abs(one.value - other.value)
    visible = apart > VISIBLE * max(abs(one.value), abs(other.value))
    return visible and apart > ERRORS * math.hypot(one.error, other.error)
