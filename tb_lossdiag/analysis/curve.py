"""The shape of a loss curve: where it started, how far it fell, whether it ran away."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import Before, in_force
from tb_lossdiag.analysis.levels import Span, level, noise, spans
from tb_lossdiag.analysis.reinforcement import is_reinforcement
from tb_lossdiag.diagnosis.rule import NotEnough, Text
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.records import Doubles, Steps, Table
from tb_lossdiag.run import Run

_FIRST = 3
"""Records whose median is the start: one alone may be an unlucky batch, more would hide a quick fall."""
_THIRDS = 9
"""Records of which each third has a median."""
_SWINGS = 3
"""Rises that came back: one is a spike that was survived, two may be chance."""


@dataclass(frozen=True)
class Curve:
    """A loss over the records that have a value (infinite ones included).

    Attributes:
        steps: int64[T].
        values: float64[T], no NaN.
    """

    steps: Steps
    values: Doubles

    def __len__(self) -> int:
        """Number of records."""
        return len(self.values)

    def row(self, share: float) -> int:
        """First record beyond this share of the steps: a quick machine records the first steps one by one and later ones together."""
        return row_at(self.steps, share)

    @property
    def width(self) -> int:
        """Records per level: a twentieth of the run, 3 to 50."""
        return int(np.clip(len(self) // 20, 3, 50))

    @cached_property
    def level(self) -> Doubles:
        """float64[T]: moving median."""
        return level(self.values, self.width)

    @property
    def start(self) -> float:
        """Level of the first records."""
        return float(np.median(self.values[:_FIRST]))

    @cached_property
    def noise(self) -> float:
        """Standard deviation from record to record."""
        return noise(self.values)

    @property
    def may_be_negative(self) -> bool:
        """Whether ratios of it mean nothing."""
        return bool(np.any(self.values < 0))

    def fall_at(self, steps: Steps) -> Doubles:
        """float64[N]: share of the starting level lost by these steps; 0 = as at the start, 1 = down to zero."""
        return (self.start - self.level_at(steps)) / max(abs(self.start), 1e-30)

    def level_at(self, steps: Steps) -> Doubles:
        """float64[N]: the level in force at these steps; before the first record, the first."""
        return in_force(self.level, self.steps, steps, Before.FIRST)

    def needs(self, least: int) -> None:
        """Raise `NotEnough` for fewer than `least` records."""
        if len(self) < least:
            raise NotEnough(
                Text("at least {least} records of a loss with a value, there are {there}").format(
                    least=least, there=len(self)
                )
            )

    def needs_positive(self) -> None:
        """Raise `NotEnough` for a loss that goes below zero, of which "twice as much" says nothing."""
        if self.may_be_negative:
            raise NotEnough(
                Text("a loss that is never negative: ratios say nothing about this one")
            )


def row_at(steps: Steps, share: float) -> int:
    """First record at a share of the steps or beyond it.

    >>> row_at(np.array([0, 1, 2, 3, 8, 16]), 0.5)
    4
    """
    return int(np.searchsorted(steps, steps[0] + share * (steps[-1] - steps[0])))


def curve(table: Table, column: str = "") -> Curve:
    """The curve of one column, without the records that have none."""
    values = table.column(column).astype(np.float64)
    there = ~np.isnan(values)
    return Curve(table.steps[there], values[there])


def curve_of(run: Run, quantity: Quantity) -> Curve:
    """The curve of a quantity with one column, the same for all who ask."""
    return run.cached(curve, run[quantity])


def needs_progress(run: Run) -> None:
    """Raise `NotEnough` where an agent learns, whose loss says nothing of how far it is; reads what `is_reinforcement` reads."""
    if is_reinforcement(run):
        raise NotEnough(Text("a loss that measures progress: an agent's grows with its rewards"))


def needs_one_model(run: Run) -> None:
    """Raise `NotEnough` where several models are watched, take turns, or an agent learns: one player's loss rises and stays by design.

    Reads `STEPS`, `LOSS_OF_ANOTHER` and what `needs_progress` reads, which the rule that asks must declare.
    """
    needs_progress(run)
    if _of_several(run):
        raise NotEnough(
            Text("a run of one model: the losses of several may hold each other up, as in a GAN")
        )


def is_of_one_model(run: Run) -> bool:
    """Whether one model is trained and no agent learns; reads what `needs_one_model` reads."""
    return not _of_several(run) and not is_reinforcement(run)


def _of_several(run: Run) -> bool:
    """Whether several models are watched, or most losses stand where another one with terms of its own was given for the step."""
    if q.STEPS in run and len(run[q.STEPS].columns) > 1:
        return True
    if q.LOSS_OF_ANOTHER not in run or q.LOSS not in run:
        return False
    steps = run[q.LOSS].steps  # each stands for all since the one before
    mixed = np.unique(np.searchsorted(steps, run[q.LOSS_OF_ANOTHER].steps))
    return 2 * int((mixed < len(steps)).sum()) > len(steps)


@dataclass(frozen=True)
class Divergence:
    """A curve that ends far above its best level.

    Attributes:
        fell: whether it had fallen to that level, by more than the noise, before it rose.
        peak: highest level since.
        span: records above the bound, up to the end.
        best: lowest level.
        best_step: where that was.
        end: last level.
    """

    fell: bool
    peak: float
    span: Span
    best: float
    best_step: int
    end: float


def _comes_back(loss: Curve, since: int) -> bool:
    """Whether the newest records since then are half of what they were a window before: the level may still hold a peak."""
    newest = loss.values[since:][-max(_THIRDS, loss.width) :]
    if len(newest) < _THIRDS:
        return False
    first, _, last = (float(np.median(part)) for part in np.array_split(newest, 3))
    return last < first / 2


def _swings(loss: Curve, by: float, since: int) -> list[int]:
    """Of each rise of the level by this much that was given back before that record: for how many steps it lasted."""
    lasted, lowest, highest, rose = [], np.inf, -np.inf, -1
    for record in range(loss.width - 1, since):
        level = float(loss.level[record])
        lowest, highest = min(lowest, level), max(highest, level)
        if rose < 0 and level - lowest >= by:
            rose, highest = record, level
        elif rose >= 0 and highest - level >= by:
            lasted.append(int(loss.steps[record] - loss.steps[rose]))
            rose, lowest = -1, level
    return lasted


def _swings_on(loss: Curve, lost: float, since: int) -> bool:
    """Whether what is lost since that record is one more of the rises that the loss has had, and came back from."""
    before = _swings(loss, lost / 2, since)
    return len(before) >= _SWINGS and int(loss.steps[-1] - loss.steps[since]) <= max(before)


def divergence(loss: Curve, factor: float, least: int, regained: float) -> Divergence | None:
    """How the loss runs away, if it does.

    One that has risen half as far several times, once for as long, and came back each time, as on a stream whose noise has seasons or on
    tasks that follow each other, has not left its level for good.

    Args:
        loss: the curve.
        factor: last level over best level, at least.
        least: records above that bound, up to the end.
        regained: share of what had been won that must be lost again.
    """
    own = loss.width - 1  # a level needs a window of its own: one lucky first batch is none
    lowest = own + int(np.argmin(loss.level[own:]))
    best, end = float(loss.level[lowest]), float(loss.level[-1])
    before = noise(loss.values[: max(lowest + 1, 10)])
    lost = end - best
    if lost <= max(3 * before, regained * (loss.start - best)) or end < factor * best:
        return None
    if end < 0.9 * loss.level[max(len(loss) - 1 - loss.width, 0)]:  # it is coming back
        return None
    above = spans(loss.level >= factor * best, least)
    if not above or above[-1].last != len(loss) - 1 or above[-1].first < lowest:
        return None
    if _comes_back(loss, above[-1].first) or _swings_on(loss, lost, above[-1].first):
        return None
    fell = loss.start - best > max(before, 0.1 * best)
    peak = float(loss.level[lowest:].max())
    return Divergence(fell, peak, above[-1], best, int(loss.steps[lowest]), end)
