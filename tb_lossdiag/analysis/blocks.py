"""Whether leaps of a loss come from data that change for a while: blocks, tasks in turn, seasons; the weights move as before when they come."""

from __future__ import annotations

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.curve import curve
from tb_lossdiag.analysis.levels import Span, noise
from tb_lossdiag.analysis.rates import largest_rate
from tb_lossdiag.records import Doubles, Steps
from tb_lossdiag.run import Run

_LEAP = 2.0
"""Times the record before, and the level before; the noise of most losses is less from record to record."""
_LEVEL = 8
"""Records that make the level before, where nobody has told it."""
_NEXT = 3
"""Records after the first; what one bad batch leaves in momentum is one or two, and hardly of its height."""
_FEWEST, _NEARLY = 3, 2 / 3
"""Leaps with other data that make a run one of blocks, and their share among all leaps."""
_NOISE = 6.0
"""Standard deviations from record to record, of the logarithm: as far as a spike is out of them."""
_HIGHER = 4.0
"""Times the first record that those after it reach at most: a training that breaks goes on up, batches of a dozen scatter by half of that."""
_LOWER = 1 / 3
"""Of the first record that one of those after it has at least; what one bad batch leaves is a tenth, though it throws the weights."""
_ALIKE = 0.4
"""The same of its gradient, which is noisier; that of one bad batch is ten times as large and more."""
_MOVED = 3.0
"""Times its level that the gradient before a leap has at most; a step that throws weights is taken with more."""
_RAISED = 1.5
"""Times its level that the rate before a leap is below; warm-ups rise by less from step to step."""
_GROWN, _BACK = 0.1, 1 / 3
"""Of a norm's first value that it had moved by, and what is left of that once its parameter is made anew."""
_TINY = 1e-30
_GRADIENTS = 32
"""Records that make the level of the gradient."""


def comes_with_data(run: Run, steps: Steps, values: Doubles, leap: Span, level: float) -> bool:
    """Whether a loss leaps at once, after a step like those before, and goes on from where it leapt to. Reads `GRADIENT_NORM`, `LEARNING_RATE` and `PARAMETER_NORM`.

    Args:
        run: its gradients are read around the leap.
        steps: int64[T] of the loss.
        values: float64[T].
        leap: the records that are out of the noise.
        level: before it.
    """
    begin = max(leap.first - _NEXT, 1)
    rises = values[begin : leap.last + 1] / np.maximum(values[begin - 1 : leap.last], _TINY)
    first = begin + int(np.argmax(rises))
    if rises.max() < _LEAP or first + 1 >= len(values) or values[first] < _LEAP * level:
        return False
    step = int(steps[first])
    goes_on = _goes_on(values[first : first + 1 + _NEXT])
    return goes_on and _steady(run, step) and not (_raised(run, step) or _begun_anew(run, step))


def given_at(run: Run, step: int) -> bool:
    """Whether the loss leaps with other data in the record of a step, as above; reads `LOSS`, too."""
    if q.LOSS not in run:
        return False
    loss = run.cached(curve, run.highest(q.LOSS))
    row = int(np.searchsorted(loss.steps, step))
    if not _LEVEL <= row < len(loss) or loss.may_be_negative:
        return False
    level = float(np.median(loss.values[row - _LEVEL : row]))
    return comes_with_data(run, loss.steps, loss.values, Span(row, row), level)


def in_blocks(run: Run) -> bool:
    """Whether a run's loss leaps with other data again and again, and comes back: where such a run ends says nothing of the training."""
    if q.LOSS not in run:
        return False
    loss = run.cached(curve, run.highest(q.LOSS))
    at = np.arange(_LEVEL, len(loss))
    logs = np.log(np.maximum(loss.values, _TINY))
    least = max(np.log(_LEAP), _NOISE * noise(logs))
    high = logs[at] - logs[at - 1] >= least
    leaps = [int(row) for row in at[high] if _leaps(loss.values, int(row))]
    found = [row for row in leaps if given_at(run, int(loss.steps[row]))]
    back = sum(bool((loss.values[row:] * _LEAP < loss.values[row]).any()) for row in found)
    return back >= _FEWEST and len(found) >= _NEARLY * len(leaps)


def _leaps(values: Doubles, row: int) -> bool:
    return bool(values[row] >= _LEAP * np.median(values[row - _LEVEL : row]))


def _goes_on(values: Doubles) -> bool:
    """Whether those after the first are of its size."""
    return bool(_LOWER * values[0] <= values[1:].max() <= _HIGHER * values[0])


def _steady(run: Run, step: int) -> bool:
    """Whether the gradient of the step before was an ordinary one, and those from this step on are of one size."""
    if q.GRADIENT_NORM not in run:
        return False
    table = run[q.GRADIENT_NORM]
    row = int(np.searchsorted(table.steps, step))
    rows = table.values[max(row - _GRADIENTS, 0) : row + 1 + _NEXT].astype(np.float64)
    norms, at = np.sqrt(np.nansum(rows**2, axis=1)), min(row, _GRADIENTS)
    if at < _NEXT or len(norms) < at + 2:
        return False
    return bool(
        norms[at - 1] <= _MOVED * np.median(norms[:at])
        and norms[at + 1 :].max() >= _ALIKE * norms[at]
    )


def _raised(run: Run, step: int) -> bool:
    """Whether the learning rate had risen before that step: then so had what ordinary gradients do."""
    if q.LEARNING_RATE not in run:
        return False
    at, rates = largest_rate(run)
    before = rates[: int(np.searchsorted(at, step))][-_GRADIENTS:]
    return bool(len(before)) and bool(before[-1] >= _RAISED * np.median(before))


def _begun_anew(run: Run, step: int) -> bool:
    """Whether half of the parameters that had moved are of the norm again that they began with: their weights were made anew."""
    if q.PARAMETER_NORM not in run:
        return False
    table = run[q.PARAMETER_NORM]
    row = int(np.searchsorted(table.steps, step))
    if not 0 < row < len(table):
        return False
    first, before, after = (table.values[at].astype(np.float64) for at in (0, row - 1, row))
    moved = np.abs(before - first)
    grown = moved > _GROWN * first
    back = grown & (np.abs(after - first) < _BACK * moved)
    return bool(2 <= grown.sum() <= 2 * back.sum())  # noqa: PLR2004  (one alone may be back by chance)
