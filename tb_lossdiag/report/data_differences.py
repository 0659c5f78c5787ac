"""How the data of two runs differ, as far as check-ups saw them: their levels, and which classes there are."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from tb_lossdiag.diagnosis.rule import short_number
from tb_lossdiag.quantities import (
    CALL_TARGET_MEAN,
    CALL_TARGET_STD,
    INPUT_ABS_MAX,
    INPUT_MEAN,
    INPUT_STD,
    LABEL_COUNT,
)
from tb_lossdiag.records import Doubles
from tb_lossdiag.report.level_differences import ERRORS, VISIBLE, both, differ, level
from tb_lossdiag.run import Run

_LEVELS = (INPUT_MEAN, INPUT_STD, INPUT_ABS_MAX, CALL_TARGET_MEAN, CALL_TARGET_STD)
_EXPECTED = 10.0
"""Targets of a class that are missed: by chance there are none of them once in 22,000 times."""


def data_differences(a: Run, b: Run) -> Iterator[tuple[str, str, str]]:
    """What, and what either run has there, where that is no chance of which batches a check-up met."""
    for quantity in _LEVELS:
        for name, mine, other in both(a, b, quantity):
            one, two = level(mine, mine), level(other, other)
            if differ(one, two):
                yield f"{name}, usual", short_number(one.value), short_number(two.value)
    if LABEL_COUNT in a and LABEL_COUNT in b:
        yield from _classes(_targets(a), _targets(b))


def _targets(run: Run) -> dict[str, float]:
    """How many targets of each class check-ups met."""
    table = run[LABEL_COUNT]
    totals: Doubles = np.nansum(table.values.astype(np.float64), axis=0)
    return {
        name: float(total) for name, total in zip(table.columns, totals, strict=True) if total > 0
    }


def _classes(a: dict[str, float], b: dict[str, float]) -> Iterator[tuple[str, str, str]]:
    whole_a, whole_b = sum(a.values()), sum(b.values())
    if not whole_a or not whole_b:
        return
    missed = [a[name] / whole_a * whole_b for name in a.keys() - b.keys()]
    missed += [b[name] / whole_b * whole_a for name in b.keys() - a.keys()]
    if sum(missed) > _EXPECTED:
        yield "classes in the targets", str(len(a)), str(len(b))
    one, two = max(a.values()) / whole_a, max(b.values()) / whole_b
    chance = math.hypot(*(math.sqrt(p * (1 - p) / n) for p, n in ((one, whole_a), (two, whole_b))))
    if abs(one - two) > max(VISIBLE * max(one, two), ERRORS * chance):
        yield "share of the commonest class", f"{one:.0%}", f"{two:.0%}"
