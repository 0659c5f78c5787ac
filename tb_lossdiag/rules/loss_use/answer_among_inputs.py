"""LD526 answer-among-inputs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import Sighting, at_steps, columns, too_few
from tb_lossdiag.analysis.levels import Bools
from tb_lossdiag.analysis.loss_calls import mostly
from tb_lossdiag.analysis.reinforcement import is_reinforcement
from tb_lossdiag.diagnosis.rule import Evidence, Finding, NotEnough, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "The targets of `{call}` stand among the numbers that the model is given: number {place} of each sample, counted from 0, is the target but for a scale and an offset, in {checks} check-ups."
)
_ADVICE = Text("""Look at what this number is:

```python
given, wanted = inputs.flatten(1), targets.flatten(1).float()
print(given[:5, {place}], wanted[:5])
```

- A series: an index that is off by one makes the window end with what is to be predicted. `window = x[t - length:t]`, and `target = x[t]`.
- A table: a column that is only known once the answer is (a date of cancellation, a sum that contains it) must go.

A validation made in the same way is as easy, and says nothing of what the model will do where the answer is not known.""")

_TOGETHER = Text(
    "Inputs and targets of `{call}` were scaled by a mean and a spread of both: in {share} of the samples (fewest of {checks} check-ups) they have a mean of 0 and one spread together, and the inputs alone have not. Where the inputs lie tells where the targets will."
)
_TOGETHER_ADVICE = Text("""Take mean and spread of what is known when the forecast is made, and scale what is asked for by the same two numbers:

```python
known = window[:, :length]
mean, std = known.mean(1, keepdim=True), known.std(1, keepdim=True)
inputs, targets = (known - mean) / std, (window[:, length:] - mean) / std
```

A validation made as before is as easy: how well the model really does is only seen after it is scaled so as well.""")


@dataclass(frozen=True)
class AnswerAmongInputs:
    """The target is one of the numbers that the model is given, or what it is given was scaled by it.

    Why it matters: the model learns to hand that number on. Losses are wonderful, in validation too, and the model is of no use where the
    answer is not known yet.

    How it decides: in at least `min_checks` check-ups and in all of them, one number of the input leaves no more than `max_left` of the
    variance of the targets unexplained, but for a factor and an offset; it is the same number in most of them. Samples have a few targets
    at most and several numbers. Or in as many check-ups `min_together` of the samples have a mean of 0 and one and the same spread with their targets,
    and not without: forecasts whose windows were scaled whole. Unit: share of the variance, of the samples.

    What to try first: see where the window ends, and when each column is known.

    Guards against: autoencoders, whose targets are as many as their inputs; inputs of one number; forecasts of a series that hardly moves;
    a rare yes that happens to agree with a rare feature; targets that a loop makes by their place in the batch, the very same for other
    samples (0 for one source and 1 for the other, which a pixel at the border may tell); values of reinforcement learning; several watched models, of
    which one may be asked for what another was given, as a generator's codes are (not evaluated); inputs that have a mean of 0 by themselves,
    and targets that have.

    References: Kapoor and Narayanan 2022, Leakage and the Reproducibility Crisis in ML-based Science (arXiv 2207.07048), section 2.
    """

    code: ClassVar[str] = "LD526"
    name: ClassVar[str] = "answer-among-inputs"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("The answer stands in the question")
    reads: ClassVar[tuple[Quantity, ...]] = ()
    may_read: ClassVar[tuple[Quantity, ...]] = (
        q.CALL_UNTOLD,
        q.CALL_TOLD_BY,
        q.CALL_BY_PLACE,
        q.CALL_SCALED_TOGETHER,
        q.INPUT_MEAN,
        q.STEPS,
        q.LOSS,
        q.LOSS_TERM,
        q.EXTRA,
        q.CALL_TARGET_MEAN,
        q.CALL_TARGET_STD,
    )
    explains: ClassVar[tuple[str, ...]] = ("LD107", "LD108")

    #: check-ups; in one batch a number may agree by chance
    min_checks: int = 3
    #: share of the variance, 1; two scalings of one number leave 1e-12, a price a second later 1e-8
    max_left: float = 1e-10
    #: share of the samples, 1; by chance one of thousands is alike, and windows that were cut off at some bound are not
    min_together: float = 0.8

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding per call whose targets the model is given."""
        if is_reinforcement(run):
            raise NotEnough(Text("targets that are no agent's returns"))
        if q.STEPS in run and len(run[q.STEPS].columns) > 1:
            raise NotEnough(
                Text("a single watched model: what one is given another may be asked for")
            )
        judged = False
        for seen in columns(run, q.CALL_UNTOLD):
            judged |= len(seen.steps) >= self.min_checks
            told = len(seen.steps) >= self.min_checks and seen.values.max() <= self.max_left
            if told and not _made_by_place(run, seen):
                yield from self._same(run, seen)
        for seen in columns(run, q.CALL_SCALED_TOGETHER):
            enough = len(seen.steps) >= self.min_checks
            judged |= enough
            if enough and seen.values.min() >= self.min_together:
                yield self._together(seen)
        if not judged:
            raise too_few(self.min_checks, Text("check-ups of a model of numbers with few targets"))

    def _same(self, run: Run, seen: Sighting) -> Iterator[Finding]:
        """A finding where it is one and the same number."""
        places = at_steps(run, q.CALL_TOLD_BY, seen.steps, seen.column)
        values, counts = np.unique(places, return_counts=True)
        place = values[counts.argmax()]
        hits: Bools = places == place
        if not mostly(hits, np.isfinite(places), self.min_checks):
            return
        message = _MESSAGE.format(
            call=seen.column, place=str(int(place)), checks=str(len(seen.steps))
        )
        ends, left = (int(seen.steps[0]), int(seen.steps[-1])), float(seen.values.max())
        evidence = Evidence(q.CALL_UNTOLD.name, seen.column, *ends, left, self.max_left)
        advice = _ADVICE.format(place=short_number(float(place)))
        numbers = {"left": left, "place": float(place)}
        yield Finding(self.code, self.severity, seen.column, (evidence,), message, advice, numbers)

    def _together(self, seen: Sighting) -> Finding:
        share, call = float(seen.values.min()), seen.column
        message = _TOGETHER.format(call=call, share=f"{share:.0%}", checks=str(len(seen.steps)))
        ends = int(seen.steps[0]), int(seen.steps[-1])
        evidence = Evidence(q.CALL_SCALED_TOGETHER.name, call, *ends, share, self.min_together)
        told = message, _TOGETHER_ADVICE, {"together": share}
        return Finding(self.code, self.severity, call, (evidence,), *told)


def _made_by_place(run: Run, seen: Sighting) -> bool:
    """Whether the targets are the same, place by place, in batches that are not: they say of which source a sample is, not what it is like."""
    order = at_steps(run, q.CALL_BY_PLACE, seen.steps, seen.column)
    if not np.isfinite(order).all() or np.ptp(order) > _SAME:
        return False
    if q.INPUT_MEAN not in run:
        return False
    means = run[q.INPUT_MEAN].at(seen.steps).astype(np.float64)
    known = means[:, ~np.isnan(means).any(axis=0)]
    return bool((known != known[:1]).any())


_SAME = 1e-6
"""Difference of correlations; float32 rounds by 1e-7."""
