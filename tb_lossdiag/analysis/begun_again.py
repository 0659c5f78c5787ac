"""A schedule that goes through its beginning once more, after its run was resumed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import columns
from tb_lossdiag.records import Doubles, Steps
from tb_lossdiag.run import Run

_CYCLES = frozenset({"CosineAnnealingWarmRestarts", "CyclicLR"})
"""Schedules that go through the same rates again by themselves."""
_SAME = 0.01
"""Relative difference of rates, 1; records lie some steps apart, and float32 holds them."""
_VARIES = 1.5
"""Times by which rates differ that are compared; a constant one has no beginning."""
_FALLEN = 0.5
"""Share of the peak to which the rate had come; less far in, a second warm-up may be meant."""
_LATE = 50
"""Steps between the first record of a session and what is known of its optimizer."""


class BegunAgain(NamedTuple):
    """A schedule that was not resumed.

    Attributes:
        step: at which the run was resumed.
        low: rate before.
        high: highest rate since.
    """

    step: int
    low: float
    high: float


def begun_again(run: Run, course: tuple[Steps, Doubles], least: int) -> BegunAgain | None:
    """The first such restart, of a run whose optimizer was resumed with its state; None where there is none.

    The rate had fallen to half of its peak, and is higher now than it was then. Reads `STATE_TAKEN_UP` if it is there.

    Args:
        run: with its restarts, and the name of the scheduler among its facts.
        course: steps and rates.
        least: records of the rate before it, and after it.
    """
    if run.facts.get("scheduler", "") in _CYCLES:
        return None
    steps, rates = course
    for begins in _resumed(run):
        at = int(np.searchsorted(steps, begins))
        if not least <= at < len(rates) - least:
            continue
        # The first rate of the session is what the optimizer was saved with.
        past, since = rates[:at], rates[at + 1 :]
        low, high = float(past[-1]), float(since.max())
        only_fell = np.all(np.diff(past[int(past.argmax()) :]) <= _SAME * past.max())
        gone_on = low <= _FALLEN * past.max() and low < since[-1] and low <= _FALLEN * high
        first = (steps[:at] - steps[0], past)
        if gone_on and only_fell and _same(first, (steps[at + 1 :] - begins, since), least):
            return BegunAgain(begins, low, high)
    return None


def _resumed(run: Run) -> Iterator[int]:
    """Steps at which another process took up the run, with the state of each of its optimizers."""
    known = [
        (int(step), float(state))
        for _, steps, states in columns(run, q.STATE_TAKEN_UP)
        for step, state in zip(steps, states, strict=True)
    ]
    for begins in (restart.step for restart in run.restarts if restart.kind == "resumed"):
        states = [state for step, state in known if 0 <= step - begins <= _LATE]
        if states and all(states):
            yield begins


def _same(first: tuple[Steps, Doubles], again: tuple[Steps, Doubles], least: int) -> bool:
    """Whether these rates are those of the first steps, and not all alike."""
    there = again[0] <= first[0][-1]
    if there.sum() < least:
        return False
    rates = again[1][there]
    before = np.interp(again[0][there], *first)
    close = np.abs(rates - before) <= _SAME * np.maximum(before, _SAME * first[1].max())
    return bool(close.all()) and float(rates.max()) > _VARIES * float(rates.min())
