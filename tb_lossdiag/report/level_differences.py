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
_ERRORS = 5.0
"""Standard errors of the difference; seeds of one training are closer."""
_VISIBLE = 0.1
"""Share of the larger level; seeds differ by less."""


class _Level(NamedTuple):
    value: float
    error: float


def level_differences(a: Run, b: Run) -> Iterator[tuple[str, str, str]]:
    """What, and the level of either run there, where they differ by more than noise explains and by a tenth."""
    for quantity in _COMPARED:
        mine, other = _values(a, quantity), _values(b, quantity)
        for column in mine.keys() & other.keys():
            name = f"{quantity.name}[{column}]" if column else quantity.name
            for what, late in (("first records", False), ("last quarter", True)):
                one, two = _level(mine[column], late=late), _level(other[column], late=late)
                if _differ(one, two):
                    yield f"{name}, {what}", short_number(one.value), short_number(two.value)


def _values(run: Run, quantity: Quantity) -> dict[str, Doubles]:
    """Finite values of each column with enough of them."""
    if quantity not in run:
        return {}
    table = run[quantity]
    each = {name: table.column(name).astype(np.float64) for name in table.columns}
    finite = {name: values[np.isfinite(values)] for name, values in each.items()}
    return {name: values for name, values in finite.items() if len(values) >= _FIRST}


def _level(values: Doubles, *, late: bool) -> _Level:
    part = values[-max(_FIRST, len(values) // 4) :] if late else values[:_FIRST]
    error = 1.25 * noise(values) / math.sqrt(len(part))  # 1.25: of a median
    return _Level(float(np.median(part)), error)


def _differ(one: _Level, other: _Level) -> bool:
    apart = abs(one.value - other.value)
    visible = apart > _VISIBLE * max(abs(one.value), abs(other.value))
    return visible and apart > _ERRORS * math.hypot(one.error, other.error)
