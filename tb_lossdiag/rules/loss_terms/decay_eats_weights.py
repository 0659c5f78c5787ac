"""LD412 decay-eats-weights."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import too_few
from tb_lossdiag.analysis.parameters import global_norm
from tb_lossdiag.analysis.progress import fall
from tb_lossdiag.analysis.rates import largest_rate
from tb_lossdiag.diagnosis import settings
from tb_lossdiag.diagnosis.judged import with_judged
from tb_lossdiag.diagnosis.rule import Evidence, Finding, NotEnough, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.records import Doubles, Steps
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "A weight decay of {decay} at a learning rate of {rate} takes {percent}% of every weight in each step: their norm has fallen from {start} to {end} by step {at}, and the loss has lost only {lost}% of its start."
)
_GONE = Text(
    "A weight decay of {decay} at a learning rate of {rate} takes {percent}% of every weight in each step: what is learned is gone a few steps later, and the loss has lost only {lost}% of its start."
)
_ALL = Text(
    "A weight decay of {decay} at a learning rate of {rate} takes away all of every weight in each step, and more: nothing that is learned outlives a step."
)
_TURNED = Text(
    "A weight decay of {decay} at a learning rate of {rate} takes away more than twice of what there is of every weight in each step: the weights are turned round and get larger."
)
_ADVICE = Text("""Nothing that is learned lasts as long as a step takes so much of it away. The share is `lr * weight_decay`; over the steps of this run it should come to less
than a half:

```python
for group in optimizer.param_groups:
    group["weight_decay"] = {less}
```

A number meant for another optimizer, or a percentage, is a common reason: `AdamW` takes 0.01 to 0.1, `SGD` 1e-4 to 5e-4.""")
_JUDGED = Text("share of every weight that a step takes")
_SHARED = frozenset({"SGD", "AdamW", "Lion", "Muon"})
"""Optimizers that take the share `lr * weight_decay` of each weight; others divide it by the size of gradients first."""
_USUAL = 0.3
"""What the shares of all steps may come to."""
_WHOLE, _TWICE = 1.0, 2.0
"""Shares of a weight."""


class _Course(NamedTuple):
    """Norm of the decayed parameters.

    Attributes:
        steps: int64[T].
        norms: float64[T].
        column: the one that lost most.
        decay: typical of them.
    """

    steps: Steps
    norms: Doubles
    column: str
    decay: float


@dataclass(frozen=True)
class DecayEatsWeights:
    """Weight decay takes the weights away faster than they can learn.

    Why it matters: the network becomes one that answers nothing, whatever its gradients ask for, and the loss settles at what that costs.

    How it decides: for optimizers that take the share learning rate x decay of each weight. The norm of all parameters with a decay
    ends at `max_left` of what it began with or less; the shares of all steps alone explain that (exp(-sum) is at most `max_left`, too); and
    the loss has lost less than `learned` of its start. Or each step takes `max_share` of a weight, by the smallest rate of any group, and
    the loss has lost no more than that: of what such a step leaves nothing may be seen to fall. A whole weight and more is an error
    whatever the loss does. Unit: 1.

    What to try first: the decay that the message's share suggests.

    Guards against: the usual decays, which shares of a whole training bring to a half at most; weights that shrink behind a
    normalisation layer while the loss falls; Adam's decay, which is divided by the gradient's size (LD407).

    References: Loshchilov and Hutter 2019 (arXiv 1711.05101), on decay as a share of the weights; Lightning-AI/lit-llama issue 254.
    """

    code: ClassVar[str] = "LD412"
    name: ClassVar[str] = "decay-eats-weights"
    severity: ClassVar[Severity] = Severity.ERROR
    title: ClassVar[Text] = Text("Weight decay leaves nothing of the weights")
    reads: ClassVar[tuple[Quantity, ...]] = (
        q.PARAMETER_NORM,
        q.PARAMETER_DECAY,
        q.LEARNING_RATE,
        q.LOSS,
    )
    may_read: ClassVar[tuple[Quantity, ...]] = (
        q.LOSS_TERM,
        q.EXTRA,
        q.CALL_TARGET_MEAN,
        q.CALL_TARGET_STD,
    )
    explains: ClassVar[tuple[str, ...]] = (
        "LD101", "LD102", "LD103", "LD104", "LD105", "LD106", "LD111", "LD201", "LD202", "LD205", "LD523", "LD601", "LD602", "LD608",
        "LD609", "LD632", "LD701", "LD704", "LD705", "LD707",
    )  # fmt: skip
    setting: ClassVar[str] = settings.DECAY

    #: norm of the weights over that of the first record, 1; ordinary trainings keep a half and more
    max_left: float = 0.1
    #: share of the starting loss, 1; who has lost half of it bears that decay
    learned: float = 0.5
    #: share of a weight that one step takes, 1; usual ones are 1e-7 to 1e-3, and with a tenth a weight knows the last ten steps
    max_share: float = 0.1
    #: records of the weights' norm
    min_records: int = 10

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield one finding for all parameters that are decayed."""
        if run.facts.get("optimizer", "") not in _SHARED:
            raise NotEnough(Text("an optimizer whose decay takes a share of the weights"))
        if (gross := self._gross(run)) is not None:
            yield gross
            return
        course = _decayed(run)
        if course is None or len(course.steps) < self.min_records:
            raise too_few(self.min_records, Text("records of a parameter with weight decay"))
        lost = fall(run)
        if lost is None:
            raise NotEnough(Text("a loss that tells how far the training has come"))
        taken = course.decay * _sum_of_rates(run, course.steps)
        kept = course.norms[-1] <= self.max_left * course.norms[0]
        if kept and np.exp(-taken) <= self.max_left and lost < self.learned:
            yield self._finding(run, course, taken, lost)

    def _gross(self, run: Run) -> Finding | None:
        """A step's own share says all: the weights are noise of the last steps from the first record on, and their norm falls no more."""
        decay, (rate, column) = _typical_decay(run), _smallest_rate(run)
        share, lost = decay * rate, fall(run)
        if not share >= self.max_share or (
            share < _WHOLE and (lost is None or lost >= self.learned)
        ):
            return None
        text = _GONE if share < _WHOLE else _ALL if share <= _TWICE else _TURNED
        message = text.format(
            decay=short_number(decay),
            rate=short_number(rate),
            percent=short_number(100 * share),
            lost=short_number(100 * max(lost or 0.0, 0.0)),
        )
        table = run[q.LEARNING_RATE]
        ends = int(table.steps[0]), int(table.steps[-1])
        evidence = with_judged(
            Evidence(table.quantity.name, column, *ends, share, self.max_share),
            _JUDGED,
            table.steps,
            decay * table.column(column).astype(np.float64),
        )
        steps = max(int(np.ptp(run[q.LOSS].steps)) if q.LOSS in run else 1, 1)
        less = short_number(float(f"{_USUAL / rate / steps:.1g}"))
        advice = _ADVICE.format(less=less)
        numbers = {"share": share}
        return Finding(self.code, self.severity, "", (evidence,), message, advice, numbers)

    def _finding(self, run: Run, course: _Course, taken: float, lost: float) -> Finding:
        rate = taken / course.decay / float(np.ptp(course.steps))
        start, end = float(course.norms[0]), float(course.norms[-1])
        ends = int(course.steps[0]), int(course.steps[-1])
        message = _MESSAGE.format(
            decay=short_number(course.decay),
            rate=short_number(rate),
            percent=short_number(100 * rate * course.decay),
            start=short_number(start),
            end=short_number(end),
            at=str(ends[1]),
            lost=short_number(100 * max(lost, 0.0)),
        )
        evidence = (
            Evidence(q.PARAMETER_NORM.name, course.column, *ends),
            Evidence(q.LEARNING_RATE.name, run[q.LEARNING_RATE].columns[0], *ends),
        )
        less = short_number(float(f"{_USUAL * course.decay / taken:.1g}"))
        numbers = {"start": start, "end": end, "share": rate * course.decay}
        advice = _ADVICE.format(less=less)
        return Finding(self.code, self.severity, "", evidence, message, advice, numbers)


def _decayed(run: Run) -> _Course | None:
    """None without a parameter that is decayed and has a norm throughout."""
    norm, decays = run[q.PARAMETER_NORM], run[q.PARAMETER_DECAY]
    known = decays.at(decays.steps[-1:], norm.columns)[0].astype(np.float64)
    chosen = (known > 0) & np.isfinite(norm.values).all(axis=0) & (norm.values[0] > 0)
    if not chosen.any():
        return None
    rows = norm.values[:, chosen]
    names = [name for name, ok in zip(norm.columns, chosen, strict=True) if ok]
    least = names[int(np.argmin(rows[-1] / rows[0]))]
    norms = global_norm(rows.astype(np.float32))
    return _Course(norm.steps, norms.astype(np.float64), least, float(np.median(known[chosen])))


def _typical_decay(run: Run) -> float:
    """Of the parameters that have one; 0 if none has."""
    values = run[q.PARAMETER_DECAY].values.astype(np.float64)
    known = values[values > 0]
    return float(np.median(known)) if known.size else 0.0


def _smallest_rate(run: Run) -> tuple[float, str]:
    """Of the groups, each by its median, and which has it: nobody says which of them is decayed."""
    table = run[q.LEARNING_RATE]
    values = {c: table.column(c).astype(np.float64) for c in table.columns}
    each = [
        (float(np.median(v[np.isfinite(v)])), c) for c, v in values.items() if np.isfinite(v).any()
    ]
    return min(each, default=(0.0, ""))


def _sum_of_rates(run: Run, steps: Steps) -> float:
    """The learning rates of all steps from the first of these to the last, added up."""
    at, rates = largest_rate(run)
    between = np.unique(np.clip(np.r_[at, steps[0], steps[-1]], steps[0], steps[-1]))
    each = np.interp(between, at, rates) if len(at) else np.zeros(len(between))
    return float((np.diff(between) * (each[1:] + each[:-1])).sum() / 2)
