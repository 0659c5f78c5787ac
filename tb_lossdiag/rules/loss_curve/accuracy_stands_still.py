"""LD118 accuracy-stands-still."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import not_recorded
from tb_lossdiag.analysis.curve import Curve, curve_of, needs_one_model
from tb_lossdiag.analysis.maturity import needs_full_rate, needs_records
from tb_lossdiag.analysis.progress import fall
from tb_lossdiag.analysis.trend import rising
from tb_lossdiag.diagnosis.rule import Evidence, Finding, NotEnough, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.run import Run

_MESSAGE = Text("{what} is {level} from the beginning to the end, in {records} records{why}.")
_TRAIN, _HELD_OUT = Text("The training accuracy"), Text("The validation accuracy")
_GUESS = Text(", as much as one and the same answer to everything gives with {classes} classes")
_LOSS = Text(", while the loss fell from {start} to {end}")
_NOTHING = Text("")
_ADVICE = Text("""Look at what the model answers before training on:

```python
answers = model(inputs).argmax(dim=1)
print(answers.bincount(), targets.bincount())
```

- One answer for everything: the loss never reaches the weights, the learning rate is far off, or inputs are constant or not scaled.
- Answers differ, but are right no more often: do `targets` still belong to `inputs` after shuffling, and do training and counting number the classes alike?
- The loss falls all the same: is accuracy counted on what the loss is computed from (`argmax` over the class dimension, a threshold of 0 for logits and 0.5 for probabilities)? Accuracy says nothing about a regression.""")


@dataclass(frozen=True)
class AccuracyStandsStill:
    """The share of right answers never rises.

    Why it matters: it is what the training is for, and a loss can fall without it.

    How it decides: over the whole run the accuracy does not rise (Mann and Kendall's statistic below `max_trend`), the second half is
    not above the first quarter by more than two standard errors, these are smaller than `max_error`, and it stays at or below
    `max_level`. It fires if that level is one over a number of classes, up to `max_classes`, within `tolerance` of it or two standard
    errors (a quarter of the way to the next number at most), or if the loss has lost at least `min_fall` of its start. Unit: share of right answers; percentages count as such.

    What to try first: count what the model answers.

    Guards against: a model that was good from the start (above `max_level`); the noise of few samples; a validation accuracy
    that rises, beside which one of the training says nothing; the balance of a game, and reinforcement learning (not evaluated).

    References: Karpathy 2019, A Recipe for Training Neural Networks; Ben Braiek and Khomh 2023, TheDeepChecker (TOSEM).
    """

    code: ClassVar[str] = "LD118"
    name: ClassVar[str] = "accuracy-stands-still"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("The accuracy does not rise")
    reads: ClassVar[tuple[Quantity, ...]] = (q.LOSS,)
    may_read: ClassVar[tuple[Quantity, ...]] = (
        q.ACCURACY,
        q.VALIDATION_ACCURACY,
        q.VALIDATION_LOSS,
        q.LEARNING_RATE,
        q.STEPS,
        q.LOSS_OF_ANOTHER,
        q.LOSS_TERM,
        q.EXTRA,
        q.CALL_TARGET_MEAN,
        q.CALL_TARGET_STD,
    )
    explains: ClassVar[tuple[str, ...]] = ()

    #: standard deviations of Mann and Kendall's statistic; above, something was learned
    max_trend: float = 2.0
    #: share of right answers, 1; beyond guessing between two classes a model may simply be as good as it gets
    max_level: float = 0.55
    #: share of right answers, 1; a rise of twice that would be seen
    max_error: float = 0.02
    #: relative distance from one over the number of classes, 1; classes are rarely of one size to the last sample
    tolerance: float = 0.02
    #: classes; of more, any small share is near one over some number
    max_classes: int = 100
    #: share of the starting loss, 1; the accuracy follows a loss that has lost as much
    min_fall: float = 0.25
    #: records; batches recorded one by one are few samples
    min_records: int = 100
    #: records where each stands for an epoch, or for ten steps and more
    min_sparse: int = 8

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield one finding for the accuracy that tells most: of the validation, if there is one."""
        needs_one_model(run)
        known = [each for each in (q.VALIDATION_ACCURACY, q.ACCURACY) if each in run]
        if not known:
            raise not_recorded(q.ACCURACY, q.VALIDATION_ACCURACY)
        needs_full_rate(run, curve_of(run, q.LOSS))
        accuracy = _share(curve_of(run, known[0]))
        needs_records(run, accuracy, self.min_records, self.min_sparse)
        level, error = self._standing(accuracy)
        why = self._why(run, level, error) if self._stands(accuracy, level, error) else _NOTHING
        if why is not _NOTHING:
            yield self._finding(known[0], accuracy, level, why)

    def _standing(self, accuracy: Curve) -> tuple[float, float]:
        """Level of the second half, and the standard error of its distance from the first quarter."""
        quarter = max(accuracy.row(0.25), 2)
        late = accuracy.values[accuracy.row(0.5) :]
        error = accuracy.noise * math.sqrt(1 / quarter + 1 / len(late))
        return float(np.mean(late)), error

    def _stands(self, accuracy: Curve, level: float, error: float) -> bool:
        early = float(np.mean(accuracy.values[: max(accuracy.row(0.25), 2)]))
        quiet = level - early <= 2 * error and rising(accuracy.values) < self.max_trend
        return quiet and level <= self.max_level and error <= self.max_error

    def _why(self, run: Run, level: float, error: float) -> Text:
        """What makes this level one that nothing was learned at."""
        classes = round(1 / level) if level * self.max_classes >= 1 - self.tolerance else 0
        if classes and abs(level - 1 / classes) <= self._near(classes, error):
            return _GUESS.format(classes=str(classes))
        lost, loss = fall(run), curve_of(run, q.LOSS)
        if lost is None or lost < self.min_fall:
            return _NOTHING
        return _LOSS.format(start=short_number(loss.start), end=short_number(float(loss.level[-1])))

    def _near(self, classes: int, error: float) -> float:
        """How far from one over this number still is that number, not the next one."""
        return max(self.tolerance / classes, min(2 * error, 0.25 / (classes * (classes + 1))))

    def _finding(self, quantity: Quantity, accuracy: Curve, level: float, why: Text) -> Finding:
        what = _HELD_OUT if quantity is q.VALIDATION_ACCURACY else _TRAIN
        message = _MESSAGE.format(
            what=what, level=short_number(level), records=len(accuracy), why=why
        )
        ends = int(accuracy.steps[0]), int(accuracy.steps[-1])
        evidence = Evidence(quantity.name, "", *ends, level, self.max_level)
        return Finding(
            self.code, self.severity, "", (evidence,), message, _ADVICE, {"accuracy": level}
        )


def _share(accuracy: Curve) -> Curve:
    """An accuracy as a share of 1."""
    if np.any(accuracy.values < 0) or np.any(accuracy.values > 100):  # noqa: PLR2004  (percent)
        raise NotEnough(Text("an accuracy between 0 and 1, or in percent"))
    percent = bool(np.any(accuracy.values > 1))
    return Curve(accuracy.steps, accuracy.values / 100 if percent else accuracy.values)
