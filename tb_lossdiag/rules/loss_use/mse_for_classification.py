"""LD505 mse-for-classification."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.levels import Bools
from tb_lossdiag.analysis.loss_calls import REGRESSION, LossCallSeries, calls, counts, mostly
from tb_lossdiag.analysis.progress import has_learned
from tb_lossdiag.diagnosis.rule import Finding, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity, Source
from tb_lossdiag.run import Run

_MESSAGE = Text("`{call}` compares outputs with {what} in {count} of {checks} check-ups{squashed}.")
_ONE_HOT = Text("one-hot targets of {classes} classes")
_BINARY = Text("yes-or-no targets ({low} and {high})")
_EVEN = Text(
    "{classes} whole numbers from {low} to {high} that are equally frequent, as class indices are and counts or grades seldom,"
)
_INDEX = Text("{classes} whole numbers from {low} to {high}, which look like class indices")
_SQUASHED = Text(
    ", after a squashing function, whose gradient vanishes just where the output is most wrong"
)
_NOT_SQUASHED = Text("")
_MANY = Text("""If these are classes, use cross-entropy on the raw outputs:

```python
loss = torch.nn.functional.cross_entropy(logits, {target})  # no softmax or sigmoid at the end of the model
```

Its gradient is (probability - target), however wrong the output is. For ordered grades or counts a regression loss may be what you
want: then ignore LD505.""")
_TWO = Text("""If this is a yes-or-no question, use the logistic loss on the raw output:

```python
loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, (target > 0).float())  # no sigmoid at the end of the model
```

Its gradient is (probability - target), however wrong the output is. A least-squares GAN is meant to be like this: then ignore LD505.""")


@dataclass(frozen=True)
class MseForClassification:
    """A regression loss is used on classes.

    Why it matters: squared error after a sigmoid or softmax has a gradient that vanishes where the output is most wrong, so training
    may never start. On class indices it says that class 9 is further from 1 than 2 is.

    How it decides: in most check-ups the targets of an MSE, L1 or Huber loss are one-hot rows (at least `min_one_hot` of them); or
    one output has two whole targets, 0 or -1 and 1; or at most `max_classes` whole ones that begin at 0 or 1. A warning for one-hot rows,
    and for yes-or-no targets behind a sigmoid, softmax or tanh, unless the run has learned (accuracy, or a loss that lost `min_learned` of its start);
    a warning for whole numbers from 0 on whose mean and spread are those of equally frequent ones (median, within `even`), learned or not;
    an information for the others, which may be grades, counts or a least-squares classifier.

    What to try first: cross-entropy on the raw outputs.

    Guards against: counts and grades, which can't be told from class indices unless these are balanced (information only); binary images; least-squares GANs,
    whose calls have one target each; square loss on linear outputs that works (Hui and Belkin 2021).

    References: Goodfellow, Bengio and Courville 2016, Deep Learning, section 6.2.2; Hui and Belkin 2021 (arXiv 2006.07322).
    """

    code: ClassVar[str] = "LD505"
    name: ClassVar[str] = "mse-for-classification"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("A regression loss on classes")
    reads: ClassVar[tuple[Quantity, ...]] = (
        q.CALL_TARGET_WHOLE,
        q.CALL_TARGET_UNIQUE,
        q.CALL_OUTPUTS,
    )
    may_read: ClassVar[tuple[Quantity, ...]] = (
        q.CALL_TARGET_ONE_HOT,
        q.CALL_TARGET_MIN,
        q.CALL_TARGET_MAX,
        q.CALL_SOURCE,
        q.CALL_ACCURACY,
        q.CALL_VALUE,
        q.CALL_BASELINE,
        q.LOSS,
        q.LOSS_NONFINITE,
        q.LOSS_TERM,
        q.STEPS,
        q.EXTRA,
        q.CALL_TARGET_MEAN,
        q.CALL_TARGET_STD,
    )
    explains: ClassVar[tuple[str, ...]] = ("LD104", "LD105", "LD109", "LD201", "LD523", "LD602")

    #: share of target rows, 1; a row of mixed labels now and then is augmentation
    min_one_hot: float = 0.9
    #: different targets; more are a quantity, not classes
    max_classes: int = 20
    #: relative distance from the mean and the spread of equally frequent numbers, 1; a batch of 16 is off by a tenth, the median less.
    #: Numbers that pile up in their middle have less than four fifths of that spread
    even: float = 0.1
    #: share of the starting loss, or accuracy, 1; who got that far does well enough with this loss
    min_learned: float = 0.8

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding per regression call on class-like targets."""
        for call in calls(run, REGRESSION):
            known = ~np.isnan(call.of(q.CALL_TARGET_WHOLE))
            one_hot, binary, index = self._kinds(call)
            if mostly(one_hot, known, 1):
                yield self._finding(call, (one_hot, known), _ONE_HOT, warn=not self._learned(call))
            elif mostly(binary, known, 1):
                squashed = mostly(_squashed(call) & binary, known, 1)
                yield self._finding(
                    call, (binary, known), _BINARY, warn=squashed and not self._learned(call)
                )
            elif mostly(index, known, 1):
                even = self._even(call, index)
                yield self._finding(call, (index, known), _EVEN if even else _INDEX, warn=even)

    def _kinds(self, call: LossCallSeries) -> tuple[Bools, Bools, Bools]:
        """bool[N] each: one-hot rows, yes-or-no targets of one output, indices of one output."""
        whole = call.of(q.CALL_TARGET_WHOLE) == 1
        low, high = call.of(q.CALL_TARGET_MIN), call.of(q.CALL_TARGET_MAX)
        different, one = call.of(q.CALL_TARGET_UNIQUE), call.of(q.CALL_OUTPUTS) == 1
        two = different == 2  # noqa: PLR2004
        binary = one & whole & two & np.isin(low, [0, -1]) & (high == 1)
        index = one & whole & (different > 2) & np.isin(low, [0, 1])  # noqa: PLR2004
        index &= high - low < self.max_classes
        one_hot = whole & (call.of(q.CALL_TARGET_ONE_HOT) >= self.min_one_hot)
        return one_hot, binary, index

    def _even(self, call: LossCallSeries, index: Bools) -> bool:
        """Whether these whole numbers are as evenly spread as the classes of a balanced set."""
        classes = float(np.nanmax(call.of(q.CALL_TARGET_UNIQUE)[index]))
        low, high = (call.typical(each) for each in (q.CALL_TARGET_MIN, q.CALL_TARGET_MAX))
        middle, spread = (classes - 1) / 2, np.sqrt((classes**2 - 1) / 12)
        off = max(
            abs(call.typical(q.CALL_TARGET_MEAN) / middle - 1),
            abs(call.typical(q.CALL_TARGET_STD) / spread - 1),
        )
        return low == 0 and high == classes - 1 and off <= self.even

    def _learned(self, call: LossCallSeries) -> bool:
        accuracy = call.of(q.CALL_ACCURACY)[-3:]
        known = accuracy[~np.isnan(accuracy)]
        right = bool(known.size) and float(np.median(known)) >= self.min_learned
        return right or has_learned(call.run, self.min_learned) is True

    def _finding(
        self, call: LossCallSeries, seen: tuple[Bools, Bools], what: Text, *, warn: bool
    ) -> Finding:
        hits, known = seen
        there = call.of(q.CALL_OUTPUTS if what is _ONE_HOT else q.CALL_TARGET_UNIQUE)[hits]
        classes = float(np.nanmax(there))  # a batch may lack some
        targets = what.format(
            classes=short_number(classes),
            low=short_number(call.typical(q.CALL_TARGET_MIN)),
            high=short_number(call.typical(q.CALL_TARGET_MAX)),
        )
        squashed = _SQUASHED if mostly(_squashed(call) & hits, known, 1) else _NOT_SQUASHED
        words = {"call": call.name, **counts(hits, known)}
        message = _MESSAGE.format(what=targets, squashed=squashed, **words)
        target = "target.argmax(dim=1)" if what is _ONE_HOT else "target.long()"
        advice = _TWO if what is _BINARY else _MANY.format(target=target)
        evidence = call.evidence(
            q.CALL_TARGET_UNIQUE, hits, call.typical(q.CALL_TARGET_UNIQUE), self.max_classes
        )
        severity = self.severity if warn else Severity.INFO
        numbers = {"classes": classes}
        return Finding(self.code, severity, call.name, (evidence,), message, advice, numbers)


def _squashed(call: LossCallSeries) -> Bools:
    return call.made_by(Source.SIGMOID, Source.SOFTMAX, Source.TANH)
