"""Which loss term and which layer rose with the loss."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.levels import median
from tb_lossdiag.diagnosis.counted import in_steps
from tb_lossdiag.diagnosis.rule import Text, short_number
from tb_lossdiag.records import Doubles
from tb_lossdiag.run import Run

Indices = npt.NDArray[np.intp]

_TERM = Text(" The term `{name}` rose most, {times} times.")
_LAYER = Text(" The gradient of `{name}` rose most, {times} times.")
_EARLIER = Text(" {steps} before, the gradient of `{name}` was {times} times its level already.")
_NOTHING = Text("")
_LEAST = 2.0
"""Times; what rose by less didn't rise out of its noise."""
_BEFORE = 128
"""Records that make the level before."""
_AHEAD = 4.0
"""Times its level that a gradient has before a jump; single steps scatter more than records do."""
_CALM, _FEWEST = 32, 8
"""Steps from one on in which a rise may begin: the level is that of those before them, and as many as it takes."""


def risen_term(run: Run, step: int, first: int) -> Text:
    """A sentence on the term whose contribution grew most between the records before `first` and those at `step`.

    Empty where there are not several, or none doubled. Reads `LOSS_TERM` and `LOSS_WEIGHT`.
    """
    if q.LOSS_TERM not in run or q.LOSS_WEIGHT not in run or len(run[q.LOSS_TERM].columns) == 1:
        return _NOTHING
    table = run.highest(q.LOSS_TERM)
    parts = table.values.astype(np.float64) * run[q.LOSS_WEIGHT].at(table.steps, table.columns)
    row, before = np.searchsorted(table.steps, [step, first]).tolist()
    if row >= len(table) or before == 0:
        return _NOTHING
    calm = median(parts[max(0, before - _BEFORE) : before], axis=0)
    index = int(np.argmax(np.nan_to_num(parts[row] - calm, nan=-np.inf)))
    return _sentence(_TERM, table.columns[index], float(parts[row, index]), float(calm[index]))


def risen_layer(run: Run, step: int, first: int) -> Text:
    """A sentence on the parameter whose gradient grew by the largest factor. Reads `GRADIENT_NORM`."""
    if q.GRADIENT_NORM not in run:
        return _NOTHING
    table = run.highest(q.GRADIENT_NORM)
    row, before = np.searchsorted(table.steps, [step, first]).tolist()
    if row >= len(table) or before == 0:
        return _NOTHING
    values: Doubles = table.values.astype(np.float64)
    calm = median(values[max(0, before - _BEFORE) : before], axis=0)
    factor = np.nan_to_num(values[row] / np.where(calm > 0, calm, np.nan), nan=0.0, posinf=0.0)
    index = int(np.argmax(factor))
    return _sentence(_LAYER, table.columns[index], float(values[row, index]), float(calm[index]))


def risen_earlier(run: Run, step: int) -> Text:
    """A sentence on the gradient that had risen before the loss did, where single steps tell. Reads `BREAK_GRADIENT_NORM`."""
    if q.BREAK_GRADIENT_NORM not in run:
        return _NOTHING
    table = run[q.BREAK_GRADIENT_NORM]
    near = np.flatnonzero((table.steps > step - 2 * _CALM) & (table.steps < step))
    level = near[table.steps[near] <= step - _CALM // 2]
    if len(level) < _FEWEST or table.steps[near[-1]] != step - 1:
        return _NOTHING
    factors = _over_level(table.values.astype(np.float64), level)[near]
    rising = factors.max(axis=1) >= _AHEAD
    calm = np.flatnonzero(~rising)
    first = int(calm[-1]) + 1 if len(calm) else len(near)
    if first >= len(near) or near[first] in level:
        return _NOTHING
    index = int(np.argmax(factors[first]))
    steps = in_steps(step - int(table.steps[near[first]]))
    times = short_number(float(factors[first, index]))
    return _EARLIER.format(steps=steps, name=table.columns[index], times=times)


def _over_level(values: Doubles, rows: Indices) -> Doubles:
    """What columns are over the largest of what they were in some rows; 0 where that is nothing."""
    middle, most = median(values[rows], axis=0), np.nan_to_num(values[rows]).max(axis=0)
    quiet = (middle > 0) & (most < _LEAST * middle)
    return np.nan_to_num(values / np.where(quiet, middle, np.nan), nan=0.0, posinf=0.0)


def _sentence(text: Text, name: str, now: float, before: float) -> Text:
    times = now / before if before > 0 else 0.0
    if not _LEAST <= times < np.inf:
        return _NOTHING
    return text.format(name=name, times=short_number(times))
