"""How far a run has come, for rules that ask whether a defect does harm."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.curve import Curve, curve, curve_of
from tb_lossdiag.analysis.loss_calls import LossCallSeries, calls
from tb_lossdiag.analysis.reinforcement import is_reinforcement
from tb_lossdiag.diagnosis.rule import NotEnough
from tb_lossdiag.run import Run

_LEAST = 10
"""Records below which a fall says nothing."""
_NEWEST = 3
"""Check-ups: one batch may be a lucky one."""


def fall(run: Run) -> float | None:
    """Share of the starting loss lost by the end; None where the loss is unknown, short, an agent's, or may be negative.

    The start is the first record, or the level of the first three if that is lower: a loss that leaps up and comes back has won
    nothing.
    """
    if q.LOSS not in run or is_reinforcement(run):
        return None
    loss = curve_of(run, q.LOSS)
    if len(loss) < _LEAST or loss.may_be_negative or not np.isfinite(loss.level[-1]):
        return None
    start = min(float(loss.values[0]), loss.start)
    return 1 - float(loss.level[-1]) / start if 0 < start < np.inf else None


def broke(run: Run) -> bool:
    """Whether any recorded loss was NaN or infinite."""
    return q.LOSS_NONFINITE in run and bool(np.any(run[q.LOSS_NONFINITE].values > 0))


def below_baseline(run: Run) -> bool | None:
    """Whether any loss call has come below the best constant answer in its last check-ups; None where no call tells.

    Check-ups grow rare: where the recorded loss is the very call that they saw, its own end counts as well.
    """
    if is_reinforcement(run):
        return None
    try:
        ratios = [call.of(q.CALL_VALUE) / call.of(q.CALL_BASELINE) for call in calls(run)]
    except NotEnough:
        return None
    newest = [ratio[np.isfinite(ratio)][-_NEWEST:] for ratio in ratios]
    known = [float(np.median(ratio)) for ratio in newest if len(ratio)]
    return min(known) < 1 or _came_below(run) if known else None


def _came_below(run: Run) -> bool:
    """Whether the loss is what one call returned, as the first check-ups show, and has come below the best constant answer since."""
    if q.LOSS not in run or len(run[q.LOSS]) < _LEAST:
        return False
    loss = curve_of(run, q.LOSS)
    baselines = [call.of(q.CALL_BASELINE) for call in calls(run) if _is_of(loss, call)]
    known = [values[np.isfinite(values)][-_NEWEST:] for values in baselines]
    return any(len(newest) and loss.level[-1] < newest.min() for newest in known)


def _is_of(loss: Curve, call: LossCallSeries) -> bool:
    """Whether records of single steps hold the values of this call."""
    both, at, seen = np.intersect1d(loss.steps, call.steps, return_indices=True)
    values, recorded = call.of(q.CALL_VALUE)[seen], loss.values[at]
    return len(both) >= _NEWEST and bool(
        np.allclose(values[:_NEWEST], recorded[:_NEWEST], rtol=1e-2)
    )


def has_learned(run: Run, least: float, models: Collection[str] = ()) -> bool | None:
    """Whether the loss has lost this share of its start and came below a constant answer, if known; None where nobody knows.

    A loss that broke, or that began far above guessing and only came down to it, has not. Where several watched models have losses of
    their own, those of `models` decide, or all.
    """
    if broke(run) or below_baseline(run) is False:
        return False
    lost = fall(run)
    if lost is None:
        return True if _each_learned(run, least, models) else None
    return lost >= least


def _each_learned(run: Run, least: float, models: Collection[str]) -> bool:
    """Whether several watched models have a loss of their own, and each of these has lost this share. Of two players none need ever do."""
    if q.LOSS in run or q.LOSS_TERM not in run or q.STEPS not in run or is_reinforcement(run):
        return False
    watched = run[q.STEPS].columns
    asked = [name for name in watched if name in models] or watched
    losses = [curve(run[q.LOSS_TERM], name) for name in asked if name in run[q.LOSS_TERM].columns]
    known = [each for each in losses if len(each) >= _LEAST and not each.may_be_negative]
    if len(watched) < 2 or len(known) < len(asked):  # noqa: PLR2004  (several)
        return False
    return all(
        each.level[-1] <= (1 - least) * min(float(each.values[0]), each.start) for each in known
    )
