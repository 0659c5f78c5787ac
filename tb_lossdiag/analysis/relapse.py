"""Where a run was taken up again and its loss began anew or stepped up: what had been learned was not taken along, or not all of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from tb_lossdiag.analysis.curve import Curve
from tb_lossdiag.analysis.levels import Span, noise
from tb_lossdiag.diagnosis.rule import Text, short_number
from tb_lossdiag.records import Doubles, Steps
from tb_lossdiag.run import Restart

_KINDS = {"resumed", "went back"}
"""Numbers that begin again may be another training in the same folder, as of folds and stages."""
_BEFORE, _AFTER = 32, 3
"""Records on either side whose median is the level there."""
_PAST = 512
"""Records before in which a rise may have been seen as well."""
_LEAST = 8
"""Records before; fewer have learned nothing that could be lost."""
_ERRORS = 4.0
"""Times the noise from record to record."""
_MESSAGE = Text(
    "The run was resumed at step {step}, and its loss went from {before} back to {after}; it had begun at {start}. {lost}% of what the sessions before had learned was not taken along."
)
LOAD = Text("""Load what was saved, into the model that is trained, before its first step.

- `model.load_state_dict(…)` must come after the model is made, and before a wrapper (DDP, compile) is asked for other names; look at the missing and unexpected keys that it returns.
- The optimizer and the scheduler have a state of their own: save `optimizer.state_dict()` and `scheduler.state_dict()` with the weights, and load all three.
- If another task or other data begin here on purpose, record them in a folder of their own.""")
"""What to do about one."""


class Relapse(NamedTuple):
    """A restart that lost what had been learned.

    Attributes:
        step: at which the run was taken up again.
        first: index of the first record after it.
        back: index of the record that is back at the old level; None if none is.
        before: level before.
        after: level after.
        lost: share of the fall from the start that is undone.
    """

    step: int
    first: int
    back: int | None
    before: float
    after: float
    lost: float

    def covers(self, span: Span) -> bool:
        """Whether these records are of the jump at the restart."""
        return span.last >= self.first and (self.back is None or span.first <= self.back)

    def told(self, curve: Curve) -> Text:
        """It in a sentence."""
        return _MESSAGE.format(
            step=self.step,
            before=short_number(self.before),
            after=short_number(self.after),
            start=short_number(curve.start),
            lost=f"{100 * min(self.lost, 1):.0f}",
        )


class Step(NamedTuple):
    """The level of a loss on either side of a restart.

    Attributes:
        step: at which the run was taken up again.
        first: index of the first record after it.
        before: median of so many records before.
        after: that of as many from there on.
        usual: the largest rise of such a median from one stretch to the next before; 0 where none rose.
        medians: steps and values of the medians on either side.
    """

    step: int
    first: int
    before: float
    after: float
    usual: float
    medians: tuple[Steps, Doubles]


def step_up(curve: Curve, step: int, records: int) -> Step | None:
    """The levels on both sides of a step; None with too few records."""
    first = int(np.searchsorted(curve.steps, step))
    past, rest = curve.values[max(0, first - _PAST) : first], curve.values[first:]
    if len(past) < records or len(rest) < records:
        return None
    levels = np.median(sliding_window_view(past, records), axis=1)
    rises = levels[records:] - levels[:-records]
    before, after = float(levels[-1]), float(np.median(rest[:records]))
    places = curve.steps[[first - 1, first + records - 1]]
    medians = places, np.array([before, after])
    return Step(step, first, before, after, float(rises.max(initial=0.0)), medians)


def relapse(
    curve: Curve, restarts: Iterable[Restart], min_lost: float, recovered: float
) -> Relapse | None:
    """The first such restart: at least `min_lost` of the fall is undone, by far more than noise.

    Args:
        curve: a loss above 0.
        restarts: the run's.
        min_lost: share of what the loss had lost since its start.
        recovered: times the level before, below which a record counts as back.
    """
    for restart in restarts:
        found = _at(curve, restart.step, recovered) if restart.kind in _KINDS else None
        if found is not None and found.lost >= min_lost:
            return found
    return None


def _at(curve: Curve, step: int, recovered: float) -> Relapse | None:
    first = int(np.searchsorted(curve.steps, step))
    past, rest = curve.values[max(0, first - _BEFORE) : first], curve.values[first:]
    if len(past) < _LEAST or len(rest) < _AFTER:
        return None
    before, after = float(np.median(past)), float(np.median(rest[:_AFTER]))
    beyond = after >= recovered * before and after - before > _ERRORS * noise(past)
    if not beyond or not curve.start >= recovered * before:
        return None
    calm = np.flatnonzero(rest < recovered * before)
    back = first + int(calm[0]) if len(calm) else None
    return Relapse(step, first, back, before, after, (after - before) / (curve.start - before))
