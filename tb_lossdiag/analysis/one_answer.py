"""Whether a judge, or the only model there is, is given one and the same answer to learn, whatever it is shown."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.loss_calls import BINARY, CLASSES, LossCallSeries, calls, calls_if_any
from tb_lossdiag.analysis.players import sides
from tb_lossdiag.quantities import Source
from tb_lossdiag.records import Doubles, Floats
from tb_lossdiag.run import Run

_QUESTIONS = 2
"""Of yes or no, at least: what is real, and what is made."""
_HALF = 0.5
"""Between no and yes."""
_NOTHING = 0.05
"""Of its first value; who has another answer to learn as well cannot give one to everything."""
_ENOUGH = 500
"""Labels that were looked at: without a no among them, fewer than six in a thousand are one, with 95 % certainty."""
_PLACES = 2
"""Labels a sample, at least: what asks which of several belongs to a sample, and has the right one always first, asks once."""


class OneAnswer(NamedTuple):
    """What all questions of yes or no are answered with, and what is left of the loss that has most of its first value."""

    calls: list[LossCallSeries]
    answer: float
    left: float


def one_answer(run: Run, samples: int, checks: int) -> OneAnswer | None:
    """The answer that a judge among two players hears in every call, of so many samples in so many check-ups, and has learned.

    With fewer models a rare answer may be missing from all batches; a loss that is unknown to the check-ups, and wants
    the opposite, keeps the losses from coming to nothing.
    """
    models = sides(run[q.GLOBAL_NORM].columns) if q.GLOBAL_NORM in run else {}
    asked = calls_if_any(run, BINARY)
    if not all(models.get(role) for role in ("judge", "maker")) or len(asked) < _QUESTIONS:
        return None
    ends = np.concatenate([c.of(e) for c in asked for e in (q.CALL_TARGET_MIN, q.CALL_TARGET_MAX)])
    few = min(float(np.nanmin(call.of(q.CALL_SAMPLES), initial=np.inf)) for call in asked)
    if not np.isfinite(ends).all() or np.ptp(ends) > 0 or few < samples:
        return None
    seen = [call for call in asked if len(call.steps) >= checks]
    left = max((_left(call) for call in asked), default=np.inf)
    enough = len(seen) >= _QUESTIONS and left <= _NOTHING
    return OneAnswer(seen, float(ends[0]), left) if enough else None


def only_yes(run: Run, samples: int, checks: int) -> OneAnswer | None:
    """The one call of the one model, if all of its labels are a yes, and the model has learned to say so.

    A no in all labels may be what is asked of rare things.
    """
    asked = list(calls(run))
    alone = len(asked) == 1 and q.GLOBAL_NORM in run and len(run[q.GLOBAL_NORM].columns) == 1
    if not alone or asked[0].function not in BINARY or len(asked[0].steps) < checks:
        return None
    call = asked[0]
    ends = np.concatenate([call.of(q.CALL_TARGET_MIN), call.of(q.CALL_TARGET_MAX)])
    seen = call.of(q.CALL_SAMPLES)
    enough = float(np.nanmin(seen)) >= samples and float(np.nansum(seen)) >= _ENOUGH
    if not np.isfinite(ends).all() or np.ptp(ends) > 0 or ends[0] <= _HALF or not enough:
        return None
    left = _left(call)
    return OneAnswer([call], float(ends[0]), left) if left <= _NOTHING else None


def only_first(run: Run, samples: int, checks: int) -> OneAnswer | None:
    """The one call of the one model, if each place of all its samples is class 0, a layer scores the classes, and that was learned.

    A place of another class in any later batch would have cost a model that says 0 everywhere much, so every recorded loss is asked.
    """
    asked = list(calls(run))
    alone = len(asked) == 1 and q.GLOBAL_NORM in run and len(run[q.GLOBAL_NORM].columns) == 1
    if not alone or asked[0].function not in CLASSES or len(asked[0].steps) < checks:
        return None
    call = asked[0]
    scored = call.made_by(Source.LINEAR) & (call.of(q.CALL_MAJORITY) >= 1)
    scored &= (call.of(q.CALL_TARGET_MIN) == 0) & (call.of(q.CALL_SAMPLES) >= samples)
    told = _first_labels(run, call)
    places = told >= _PLACES * call.of(q.CALL_SAMPLES)
    if not (scored & places).all() or told.sum() < _ENOUGH or q.LOSS not in run:
        return None
    left = max(_left(call), _left_at_most(run[q.LOSS].values[:, 0]))
    return OneAnswer([call], 0.0, left) if left <= _NOTHING else None


def _left_at_most(values: Floats) -> float:
    """The largest of its last quarter over the first; infinite where that is 0 or less, for then nothing was learned."""
    end = float(np.max(values[-max(len(values) // 4, 1) :]))
    return end / float(values[0]) if values[0] > 0 else np.inf


def _first_labels(run: Run, call: LossCallSeries) -> Doubles:
    """float64[N]: how many labels of class 0 each of its check-ups saw."""
    if q.LABEL_COUNT not in run or "0" not in run[q.LABEL_COUNT].columns:
        return np.zeros(len(call.steps))
    return run[q.LABEL_COUNT].at(call.steps, ["0"])[:, 0].astype(np.float64)


def _left(call: LossCallSeries) -> float:
    """Its last value over its first; infinite where one is not known."""
    values = call.of(q.CALL_VALUE)
    known = len(values) > 1 and values[0] > 0 and np.isfinite(values[-1])
    return float(values[-1] / values[0]) if known else np.inf
