"""LD108 generalisation-gap."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.curve import Curve, curve_of
from tb_lossdiag.analysis.levels import Bools, Span, spans
from tb_lossdiag.analysis.weighted_phases import needs_like_weights, weighs_training
from tb_lossdiag.diagnosis.judged import with_judged
from tb_lossdiag.diagnosis.rule import Evidence, Finding, NotEnough, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.records import Doubles
from tb_lossdiag.run import Run

_GAP = Text(
    "From step {first} on the validation loss stays far above the training loss ({validation} against {train} at the end): {percent}% of the starting loss lies between them."
)
_UNTRAINED = Text(
    "From the first validation on, at step {first}, the validation loss is worse than the training loss was at the start ({validation} against {start}) and does not follow it, while the training loss fell to {train}."
)
_INVERTED = Text(
    "From step {first} on the training loss stays far above the validation loss ({train} against {validation} at the end): {percent}% of the starting loss lies between them."
)
_GAP_ADVICE = Text("""What is learned does not carry over to the validation data. Find out which of these it is:

- the two sets differ (other source, time, preprocessing, class frequencies): score the validation pipeline on some training samples;
- the model learns the training set by heart: more data, augmentation, weight decay;
- the evaluation is in `train()` mode, or normalisation statistics are off.

```python
model.eval()
with torch.no_grad():
    same = criterion(model(train_inputs), train_targets)  # must be near the training loss
model.train()
```""")
_UNTRAINED_ADVICE = Text("""The two pipelines differ by more than the data, as a rule. Score one training batch in both modes:

```python
for mode in (True, False):
    model.train(mode)
    with torch.no_grad():
        print(mode, criterion(model(train_inputs), train_targets))
model.train()
```

- Near each other: the validation data is not like the training data (scaling, normalisation, tokenizer, channels), or its loss is another function (a sum beside a mean).
- `eval()` is far worse: running statistics are off. Batch normalisation with tiny batches, a momentum near 0, layers shared by two kinds of data, or a forward in `train()` mode on something else.""")
_INVERTED_ADVICE = Text("""Dropout, strong augmentation, mixup or label smoothing make training harder than validation, and then this is as it should be. If none of them is in use, validation samples may have leaked into the training set, or the two losses are not the same function. Compare both on the same samples:

```python
model.eval()
with torch.no_grad():
    same = criterion(model(train_inputs), train_targets)  # near the validation loss: regularisation; near the training loss: leak
model.train()
```""")

_JUDGED = Text("gap between the losses, as a share of the start")
_FIRST = 3
"""Validation records whose median is the beginning."""


@dataclass(frozen=True)
class GeneralisationGap:
    """Training and validation loss lie far apart for most of the run.

    Why it matters: the training loss then says little about what the model is for.

    How it decides: at each validation record, gap = validation loss - level of the training loss, over the loss at the start, and
    one of them at least `min_ratio` times the other. A gap of at least `min_gap` of the start in `min_records` records in
    a row up to the end, which make up `min_stretch` of them, is an information; from `max_gap` on, with the validation loss
    above, a warning. So is a validation loss that is from the first on more than `max_first` times what the training began with,
    and loses less than `min_follow` of its start, while the training loss loses at least `min_learned`. Dimensionless.

    What to try first: score training samples with the validation code, to tell data from model.

    Guards against: a training loss near zero, beside which any validation loss is many times larger (the start is the measure);
    losses of different scale, which fall together, and whose scale an untrained model shows: of other validation losses that begin
    beyond `max_first` times the training loss there and at the start, nothing is said; a validation loss that turns upwards (LD107); losses below zero;
    samples weighted in one of the losses alone (not evaluated), and a training loss with weights of classes, which may well lie above a validation without them.

    References: Goodfellow, Bengio and Courville 2016, Deep Learning, section 5.2; Srivastava et al. 2014, Dropout (JMLR 15).
    """

    code: ClassVar[str] = "LD108"
    name: ClassVar[str] = "generalisation-gap"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("Training and validation loss lie far apart")
    reads: ClassVar[tuple[Quantity, ...]] = (q.VALIDATION_LOSS, q.LOSS)
    may_read: ClassVar[tuple[Quantity, ...]] = (q.CALL_WEIGHTED,)
    explains: ClassVar[tuple[str, ...]] = ()

    #: one loss over the other, 1; dropout and augmentation explain less than that
    min_ratio: float = 2.0
    #: share of the starting loss, 1; a quarter of what there is to win
    min_gap: float = 0.25
    #: share of the starting loss, 1; more than half of what was won isn't there for new data
    max_gap: float = 0.5
    #: validation records in a row up to the end
    min_records: int = 5
    #: share of the validation records, 1; a gap that opens late is overfitting's
    min_stretch: float = 0.5
    #: first validation loss over the training loss there or at the start, and its inverse, 1; more is another scale, or broken
    max_first: float = 1.5
    #: share of the training loss at the first validation, 1; before that much is won, nobody can say whether the other follows
    min_learned: float = 0.3
    #: share of the first validation losses, 1; a sum beside a mean falls with it
    min_follow: float = 0.25

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield one finding if the two losses stay apart."""
        validation, train = curve_of(run, q.VALIDATION_LOSS), curve_of(run, q.LOSS)
        needs_like_weights(run)
        for loss in (validation, train):
            loss.needs_positive()
            loss.needs(self.min_records)
        there = _level_at(train, validation)
        if self._is_worse_than_untrained(validation, train):
            yield self._untrained(validation, train, there)
            return
        self._needs_one_scale(float(validation.values[0]), (float(there[0]), _began(train)))
        signs = ((_GAP, 1.0),) if weighs_training(run) else ((_GAP, 1.0), (_INVERTED, -1.0))
        for text, sign in signs:
            span = self._apart(validation.values, there, sign, train.start)
            if span is not None:
                yield self._finding(validation, there, span, (text, sign, train.start))

    def _is_worse_than_untrained(self, validation: Curve, train: Curve) -> bool:
        """Whether it began above what an untrained model costs, and did not come down with the training loss."""
        then, now = float(train.level_at(validation.steps[:1])[0]), float(train.level[-1])
        worst = max(then, _began(train))
        high = bool(np.all(validation.values > self.max_first * worst))
        untrained = len(train) <= _FIRST or validation.steps[0] < train.steps[_FIRST]
        if untrained or not high or now > (1 - self.min_learned) * then:
            return False
        late = float(np.median(validation.values[-self.min_records :]))
        first = float(np.median(validation.values[:_FIRST]))
        return late > (1 - self.min_follow) * first

    def _untrained(self, validation: Curve, train: Curve, there: Doubles) -> Finding:
        ends = int(validation.steps[0]), int(validation.steps[-1])
        end, start = float(validation.values[-1]), _began(train)
        message = _UNTRAINED.format(
            first=str(ends[0]),
            validation=short_number(end),
            start=short_number(start),
            train=short_number(float(there[-1])),
        )
        evidence = (
            Evidence(q.VALIDATION_LOSS.name, "", *ends, end, self.max_first * start),
            Evidence(q.LOSS.name, "", *ends),
        )
        numbers = {"validation": end, "train": float(there[-1]), "start": start}
        return Finding(self.code, self.severity, "", evidence, message, _UNTRAINED_ADVICE, numbers)

    def _needs_one_scale(self, validation: float, train: tuple[float, float]) -> None:
        if not validation <= self.max_first * max(train) or train[0] > self.max_first * validation:
            raise NotEnough(
                Text("validation and training loss of one scale, recorded from the beginning")
            )

    def _apart(self, validation: Doubles, train: Doubles, sign: float, start: float) -> Span | None:
        high, low = (validation, train) if sign > 0 else (train, validation)
        apart: Bools = (high >= self.min_ratio * low) & (high - low >= self.min_gap * start)
        least = max(self.min_records, int(np.ceil(self.min_stretch * len(validation))))
        found = spans(apart, least)
        return found[-1] if found and found[-1].last == len(validation) - 1 else None

    def _finding(
        self, validation: Curve, train: Doubles, span: Span, what: tuple[Text, float, float]
    ) -> Finding:
        text, sign, start = what
        gap = float(np.median(sign * (validation.values - train)[span.records])) / start
        ends = span.ends(validation.steps)
        end = float(validation.values[-1]), float(train[-1])
        message = text.format(
            first=str(ends[0]),
            validation=short_number(end[0]),
            train=short_number(end[1]),
            percent=f"{100 * gap:.0f}",
        )
        wide = sign > 0 and gap >= self.max_gap
        bound = self.max_gap if wide else self.min_gap
        piece = Evidence(q.VALIDATION_LOSS.name, "", *ends, gap, bound)
        gaps = sign * (validation.values - train) / start
        evidence = (
            with_judged(piece, _JUDGED, validation.steps, gaps),
            Evidence(q.LOSS.name, "", *ends),
        )
        return Finding(
            self.code,
            self.severity if wide else Severity.INFO,
            "",
            evidence,
            message,
            _GAP_ADVICE if sign > 0 else _INVERTED_ADVICE,
            {"gap": gap, "validation": end[0], "train": end[1]},
        )


def _level_at(loss: Curve, other: Curve) -> Doubles:
    """float64[T]: level of one curve at the records of another."""
    return loss.level_at(other.steps)


def _began(loss: Curve) -> float:
    """What the training began with: the first record, or the first ones where that was a lucky one."""
    return max(float(loss.values[0]), loss.start)
