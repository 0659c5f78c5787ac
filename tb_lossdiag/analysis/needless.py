"""Cuts of the learning rate at moments when what is validated has just become better than ever."""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.records import Doubles, Steps, Table
from tb_lossdiag.run import Run

_ACCURACY = re.compile(r"(?:^|[^a-z])acc(?:uracy)?(?:$|[^a-z])", re.IGNORECASE)


class Course(NamedTuple):
    """What is validated, in one direction: less is better.

    Attributes:
        quantity: what it is.
        column: its column.
        steps: of the validations.
        values: of the loss, or of an accuracy with its sign turned.
    """

    quantity: Quantity
    column: str
    steps: Steps
    values: Doubles


def validated_loss(run: Run) -> Course:
    """The validation loss. Reads `VALIDATION_LOSS`."""
    return _course(q.VALIDATION_LOSS, run[q.VALIDATION_LOSS], 0)


def validated_accuracy(run: Run) -> Course | None:
    """The accuracy that was recorded with the validation loss, if one was.

    Reads `VALIDATION_ACCURACY`, `VALIDATION_LOSS` and `EXTRA` if they are there: an own value with an accuracy's name counts where it is
    recorded at no step but the validations'.
    """
    if q.VALIDATION_ACCURACY in run:
        return _turned(_course(q.VALIDATION_ACCURACY, run[q.VALIDATION_ACCURACY], 0))
    if q.EXTRA not in run or q.VALIDATION_LOSS not in run:
        return None
    table, times = run[q.EXTRA], run[q.VALIDATION_LOSS].steps
    named = (i for i, name in enumerate(table.columns) if _ACCURACY.search(name))
    courses = (_course(q.EXTRA, table, index) for index in named)
    return next((_turned(c) for c in courses if np.isin(c.steps, times).all()), None)


def streak(cuts: Steps, course: Course, relative: float, absolute: float = 0.0) -> list[float]:
    """The first value, then that at each cut from the first one on, as long as it is lower than ever and so much lower than at the last.

    >>> times, losses = np.array([1, 2, 3, 4]), np.array([2.0, 1.5, 1.0, 1.1])
    >>> streak(np.array([2, 3, 4]), Course(q.VALIDATION_LOSS, "", times, losses), 0.05)
    [2.0, 1.5, 1.0]
    """
    times, values = course.steps, course.values
    lowest = [float(values[0])] if len(values) else []
    for cut in cuts:
        before = values[times <= cut]
        falls = len(before) and before[-1] <= np.nanmin(before)
        if not falls or not lowest[-1] - before[-1] > relative * abs(lowest[-1]) + absolute:
            break
        lowest.append(float(before[-1]))
    return lowest


def _course(quantity: Quantity, table: Table, index: int) -> Course:
    values = table.values[:, index].astype(np.float64)
    there = np.isfinite(values) | (quantity is q.VALIDATION_LOSS)
    column = table.columns[index] if table.columns else ""
    return Course(quantity, column, table.steps[there], values[there])


def _turned(course: Course) -> Course:
    return course._replace(values=-course.values)
