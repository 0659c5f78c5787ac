"""The learning rate of a run as one number a step."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import columns
from tb_lossdiag.analysis.curve import curve_of
from tb_lossdiag.records import Doubles, Steps
from tb_lossdiag.run import Run

_FALLING = frozenset(
    {
        "StepLR", "MultiStepLR", "ExponentialLR", "PolynomialLR", "CosineAnnealingLR", "ReduceLROnPlateau",
    }
)  # fmt: skip
"""Schedules that never raise the rate, or (a cosine's) only step by step."""


def largest_rate(run: Run) -> tuple[Steps, Doubles]:
    """The largest rate of all groups at each record of any; a group keeps its rate until it has another.

    Several optimizers may be recorded at different steps.
    """
    table = run[q.LEARNING_RATE]
    known = np.isfinite(table.values)
    rows = np.maximum.accumulate(np.where(known, np.arange(len(table))[:, None], -1), axis=0)
    kept = np.take_along_axis(table.values, np.maximum(rows, 0), axis=0)
    rates = np.where(rows >= 0, kept, -1.0).max(axis=1, initial=-1.0).astype(np.float64)
    there = rates >= 0
    return table.steps[there], rates[there]


class Leap(NamedTuple):
    """A rate that is back at its peak from one record to the next.

    Attributes:
        step: of the record after it.
        low: rate before.
        high: rate after.
        before: level of the loss before; NaN where that is not known.
        after: level of the loss after.
    """

    step: int
    low: float
    high: float
    before: float
    after: float


def leap(
    run: Run, course: tuple[Steps, Doubles], shares: tuple[float, float], least: int
) -> Leap | None:
    """The one leap of a schedule that only falls, with the same optimizer; None where there is none.

    Reads `LOSS` and `REPLACED_OPTIMIZERS` if they are there.

    Args:
        run: with the name of the scheduler among its facts.
        course: steps and rates.
        shares: of the peak, at most before the leap, at least after it, and some time before.
        least: records before it, and from it on.
    """
    steps, rates = course
    low, high = (share * rates.max() for share in shares)
    leaps = np.flatnonzero((rates[:-1] <= low) & (rates[1:] >= high)) + 1
    only = run.facts.get("scheduler", "") in _FALLING and q.REPLACED_OPTIMIZERS not in run
    if not only or len(leaps) != 1 or not least <= leaps[0] <= len(rates) - least:
        return None
    at = int(leaps[0])
    if rates[:at].max() < high:
        return None
    around = _around(run, int(steps[at]), least)
    return Leap(int(steps[at]), float(rates[at - 1]), float(rates[at]), *around)


def _around(run: Run, step: int, records: int) -> tuple[float, float]:
    """Level of the loss before a step and from it on; NaN where there are fewer records."""
    if q.LOSS not in run:
        return np.nan, np.nan
    loss = curve_of(run, q.LOSS)
    at = int(np.searchsorted(loss.steps, step))
    parts = loss.values[max(at - records, 0) : at], loss.values[at : at + records]
    before, after = (float(np.median(p)) if len(p) == records else np.nan for p in parts)
    return before, after


class Below(NamedTuple):
    """A group's rate that went down through 0 and stayed there.

    Attributes:
        group: column of the rate.
        first: step of the first record below 0.
        last: step of the newest one.
        lowest: rate.
        peak: highest rate before.
    """

    group: str
    first: int
    last: int
    lowest: float
    peak: float


def below_nought(run: Run, least: int, share: float) -> Below | None:
    """The first group whose rate sank below 0; None where none did.

    Who turns the sign of a rate to climb on purpose leaps from one side to the other: either side of the crossing must be near 0,
    within half of the peak.

    Args:
        run: with learning rates.
        least: records below 0, up to the last one.
        share: of the peak that the rate must come to below 0; float noise and the last call of a plan do not.
    """
    for group, steps, rates in columns(run, q.LEARNING_RATE):
        above = np.flatnonzero(rates >= 0)
        first = int(above[-1]) + 1 if len(above) else len(rates)
        if len(rates) - first < least:
            continue
        peak, lowest = float(rates[:first].max()), float(rates[first:].min())
        near = max(float(rates[first - 1]), -float(rates[first])) <= peak / 2
        if near and -lowest >= share * peak > 0:
            return Below(group, int(steps[first]), int(steps[-1]), lowest, peak)
    return None


def leading_group(run: Run) -> str:
    """The group with the largest rate."""
    table = run[q.LEARNING_RATE]
    return table.columns[int(np.argmax(np.nan_to_num(table.values, nan=-1.0).max(axis=0)))]
