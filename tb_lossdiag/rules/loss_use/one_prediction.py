"""LD523 one-prediction."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.levels import Bools
from tb_lossdiag.analysis.loss_calls import BINARY, CLASSES, LossCallSeries, calls
from tb_lossdiag.analysis.modules import head_alone
from tb_lossdiag.diagnosis.rule import Finding, NotEnough, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "In each of the last {checks} check-ups the model predicted one class for {least}% of the samples or more, where the most frequent class has {majority}% of the targets of `{call}`: {accuracy}% are right."
)
_MESSAGE_ALL = Text(
    "In each of the last {checks} check-ups the model predicted one class for every sample, where the most frequent class has {majority}% of the targets of `{call}`: {accuracy}% are right."
)
_ADVICE = Text("""The output has collapsed to one answer, though the classes are not that uneven. See what is lost where:

```python
model.eval()
with torch.no_grad():
    scores = model(inputs)
    print(scores.std(0).mean(), scores.mean(0).std())  # between samples, between classes
    print(scores.argmax(1).bincount())
model.train()
```

- Samples hardly differ: what is lost on the way is in the model (dead units, saturation, a normalisation over the wrong axis) or in the
  inputs (all alike after scaling).
- They differ, and one class is far ahead: the learning rate is too high, or labels and outputs are not in the same order.""")


@dataclass(frozen=True)
class OnePrediction:
    """Nearly everything is predicted to be the same class.

    Why it matters: such a model has learned at most which class is frequent. The loss may lie near guessing or far above, and an average
    over batches hides what happened.

    How it decides: in each of the last `min_checks` check-ups, the newest at step `min_steps` or later, with `min_samples` samples or
    more, one class got at least `min_predicted` of the predictions and no class more than `max_majority` of the targets; the accuracy is
    no more than `max_gain` above the most frequent class. Not where the loss of the call is lower at each of the newest two than ever before among these, by
    `min_fall`. An information where the last layer alone is trained. Unit: share of the samples.

    What to try first: compare the scores of two samples of different classes.

    Guards against: a class that is that frequent (LD509); models of words that go on learning, which say the most frequent one first; the first steps, when most models give one answer; small batches; the judge of
    two players (a call beside it of the same loss has one answer for all), who is to be at a loss in the end; a head on a frozen trunk, which
    does what it can with features that may hardly differ, and has nothing that could collapse.

    References: measured on programs after public reports: healthy ones have up to 0.66, collapsed ones 0.92 to 1.00.
    """

    code: ClassVar[str] = "LD523"
    name: ClassVar[str] = "one-prediction"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("One prediction for everything")
    reads: ClassVar[tuple[Quantity, ...]] = (q.CALL_PREDICTED_MAJORITY, q.CALL_MAJORITY)
    may_read: ClassVar[tuple[Quantity, ...]] = (
        q.CALL_ACCURACY,
        q.CALL_SAMPLES,
        q.CALL_VALUE,
        q.PARAMETER_TRAINABLE,
        q.MODULE_KIND,
        q.MODULE_LAST,
        q.MODULE_FED_BY,
    )
    explains: ClassVar[tuple[str, ...]] = ("LD104", "LD109")

    #: check-ups up to the newest; two may follow each other closely
    min_checks: int = 5
    #: steps; at the beginning many models give one answer
    min_steps: int = 50
    #: samples; of fewer, all may be of one class by chance
    min_samples: int = 16
    #: share of the predictions, 1; healthy trainings have up to 0.66
    min_predicted: float = 0.9
    #: share of the targets, 1; with more, one answer for most is right
    max_majority: float = 0.66
    #: share of the loss, 1; batches of some hundred targets differ by as much
    min_fall: float = 0.02
    #: accuracy above the share of the most frequent class, 1
    max_gain: float = 0.1

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding per class loss whose model gives one answer."""
        judged = False
        found = calls(run, (*CLASSES, *BINARY))
        for call in found:
            if _judges(call, found):
                continue
            known = self._known(call)
            if known.sum() < self.min_checks:
                continue
            judged = True
            last = np.zeros(len(known), bool)
            last[np.flatnonzero(known)[-self.min_checks :]] = True
            late = call.steps[last][-1] >= self.min_steps
            if late and self._one(call)[last].all() and not self._falls(call, last):
                severity = Severity.INFO if head_alone(run) else self.severity
                yield self._finding(call, last, severity)
        if not judged:
            needs = Text("at least {least} check-ups of a loss on classes")
            raise NotEnough(needs.format(least=self.min_checks))

    def _known(self, call: LossCallSeries) -> Bools:
        shares = call.of(q.CALL_PREDICTED_MAJORITY) + call.of(q.CALL_MAJORITY)
        few = call.of(q.CALL_SAMPLES) < self.min_samples
        known: Bools = np.isfinite(shares) & ~few
        return known

    def _one(self, call: LossCallSeries) -> Bools:
        majority = call.of(q.CALL_MAJORITY)
        one = call.of(q.CALL_PREDICTED_MAJORITY) >= self.min_predicted
        gained = call.of(q.CALL_ACCURACY) > majority + self.max_gain
        found: Bools = one & (majority <= self.max_majority) & ~gained
        return found

    def _falls(self, call: LossCallSeries, last: Bools) -> bool:
        """Whether the loss came lower twice running, and so is still on its way."""
        values = call.of(q.CALL_VALUE)[last]
        before = np.minimum.accumulate(values)[-3:-1]
        return bool((values[-2:] <= (1 - self.min_fall) * before).all() and (before > 0).all())

    def _finding(self, call: LossCallSeries, last: Bools, severity: Severity) -> Finding:
        predicted = float(call.of(q.CALL_PREDICTED_MAJORITY)[last].min())
        majority = float(np.median(call.of(q.CALL_MAJORITY)[last]))
        accuracy = call.typical(q.CALL_ACCURACY)
        message = (_MESSAGE_ALL if predicted >= 1 else _MESSAGE).format(
            checks=str(int(last.sum())),
            least=short_number(100 * predicted),
            majority=short_number(100 * majority),
            call=call.name,
            accuracy=short_number(100 * (accuracy if np.isfinite(accuracy) else majority)),
        )
        evidence = call.evidence(q.CALL_PREDICTED_MAJORITY, last, predicted, self.min_predicted)
        numbers = {"predicted": predicted, "majority": majority}
        return Finding(self.code, severity, call.name, (evidence,), message, _ADVICE, numbers)


def _judges(call: LossCallSeries, others: list[LossCallSeries]) -> bool:
    """Whether it tells real from made: yes-or-no answers, beside a call that has the same answer for all of its batch."""
    return call.function in BINARY and any(
        other.function == call.function and other.typical(q.CALL_MAJORITY) >= 1
        for other in others
        if other is not call
    )
