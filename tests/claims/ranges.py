"""What was recorded, and what rules derive of it, as a lowest and a highest value per record."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from claims.sentences import Value
from tb_lossdiag import quantities as q
from tb_lossdiag.analysis import updates
from tb_lossdiag.analysis.columns import latest
from tb_lossdiag.diagnosis.rule import Rule
from tb_lossdiag.quantities import Axis, Quantity
from tb_lossdiag.records import Doubles, Steps, Table
from tb_lossdiag.run import Run

_WIDTH = 0.05, 3, 50
"""Records that a level is the median of: a share of all, at least, at most."""


@dataclass(frozen=True)
class Range:
    """One series.

    Attributes:
        name: of quantity and column.
        steps: int64[T].
        low: float64[T], smallest value in a record's window.
        high: float64[T], largest.
    """

    name: str
    steps: Steps
    low: Doubles
    high: Doubles

    def holds(self, value: Value, rows: slice = slice(None)) -> bool:
        """Whether a level, median or value of these records may be what is said."""
        low, high = self.low[rows], self.high[rows]
        if not len(low) or np.isnan(low).all():
            return False
        return bool(np.nanmin(low) <= value.high and value.low <= np.nanmax(high))

    def around(self, step: int) -> slice:
        """Records that a level at this step may rest on."""
        share, least, most = _WIDTH
        width = int(np.clip(share * len(self.steps), least, most))
        row = int(np.searchsorted(self.steps, step))
        return slice(max(row - width, 0), row + 2)

    @property
    def last_quarter(self) -> slice:
        """Records of the last quarter of the run, and at least three."""
        count = len(self.steps)
        return slice(max(min(count - count // 4, count - 3), 0), None)


def ranges(run: Run, rule: Rule) -> list[Range]:
    """All that a rule may have looked at."""
    asked = [quantity for quantity in (*rule.reads, *rule.may_read) if quantity in run]
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of columns without a value
        found = [each for quantity in asked for each in _recorded(run, quantity)]
        return [*found, *_derived(run, set(asked))]


def _recorded(run: Run, quantity: Quantity) -> Iterator[Range]:
    table = run[quantity]
    low, high = (t.values.astype(np.float64) for t in (run.lowest(quantity), run.highest(quantity)))
    for place, column in enumerate(table.columns):
        yield Range(f"{quantity.name} of {column}", table.steps, low[:, place], high[:, place])
    if quantity.axis is not Axis.RUN and len(table.columns) > 1:
        yield from _together(quantity.name, table.steps, low, high)


def _together(name: str, steps: Steps, low: Doubles, high: Doubles) -> Iterator[Range]:
    """What a rule may make of all columns of a record."""
    for what, make in (("median", np.nanmedian), ("sum", np.nansum), ("norm", _norm)):
        yield Range(f"{what} of {name}", steps, make(low, axis=1), make(high, axis=1))


def _norm(values: Doubles, axis: int) -> Doubles:
    whole: Doubles = np.sqrt(np.nansum(np.square(values), axis=axis))
    return whole


def _derived(run: Run, asked: set[Quantity]) -> Iterator[Range]:
    if {q.PARAMETER_NORM, q.PARAMETER_SIZE} <= asked:
        yield from _updates(run, asked)
    if {q.PARAMETER_NORM, q.GRADIENT_NORM} <= asked:
        gradient = run[q.GRADIENT_NORM]
        weights = latest(run[q.PARAMETER_NORM], gradient.steps, gradient.columns)
        yield from _columns("relative gradient", gradient, gradient.values / weights)
    if {q.CALL_TARGET_MEAN, q.CALL_OUTPUTS} <= asked:
        yield from _ones(run)


def _ones(run: Run) -> Iterator[Range]:
    """Ones in each row of targets that are zeros and ones."""
    mean, outputs = run.aligned(q.CALL_TARGET_MEAN, q.CALL_OUTPUTS)
    yield from _columns("ones", mean, mean.values.astype(np.float64) * outputs.values)


def _updates(run: Run, asked: set[Quantity]) -> Iterator[Range]:
    moved = [updates.best(run)]
    if {q.GRADIENT_NORM, q.LEARNING_RATE} <= asked:
        moved.append(updates.estimated(run) or moved[0])
    for each in moved:
        yield from _columns("update", each, each.ratios)
        middle = np.nanmedian(each.ratios, axis=1)
        yield Range("median update", each.steps, middle, middle)


def _columns(name: str, like: Table | updates.Updates, values: Doubles) -> Iterator[Range]:
    for place, column in enumerate(like.columns):
        yield Range(f"{name} of {column}", like.steps, values[:, place], values[:, place])
