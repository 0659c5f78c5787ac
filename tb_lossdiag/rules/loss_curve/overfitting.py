"""LD107 overfitting."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.curve import Curve, curve_of
from tb_lossdiag.analysis.levels import Span, noise, spans
from tb_lossdiag.analysis.loss_calls import CLASSES, calls_if_any
from tb_lossdiag.analysis.trend import rising
from tb_lossdiag.analysis.weighted_phases import needs_like_weights
from tb_lossdiag.diagnosis.rule import Evidence, Finding, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "The validation loss was best at step {best_step} ({best}) and is {end} at step {last}, {percent}% above, while the training loss fell from {train_then} to {train_now}."
)
_NEVER = Text(
    "The validation loss has never come below its first value ({best} at step {best_step}) for long and is {end} at step {last}, while the training loss fell from {train_then} to {train_now}: nothing of what was learned since carries over."
)
_HEART = Text(
    "No validation has cost less than guessing ({guess}), and the validation loss has risen to {end} at step {last}, while the training loss fell from {train_then} to {train_now}: labels are learned by heart, and nothing of it holds for other samples."
)
_HEART_ADVICE = Text("""More data or regularisation do not help where there is nothing that carries over. See whether each label belongs to its sample:

```python
for sample, label in list(zip(inputs, targets))[:5]:
    print(label, sample.shape, sample.float().mean())  # look at the sample itself: plot it, decode it
```

- Labels that were shuffled, sorted or filtered without their samples, or two files that are read in different order.
- A validation whose classes have other numbers than the training's.
- Samples that say nothing of their label: a column or a channel that was lost on the way.""")
_ADVICE = Text("""Keep the parameters of step {best_step}: nothing after it generalised better. Then, in this order:

- more or more varied data (augmentation), the only cure without a price;
- regularisation: weight decay (`AdamW(..., weight_decay=0.05)`), dropout, label smoothing;
- a smaller model, or fewer trainable layers when fine-tuning.

A classifier's accuracy may still rise while its loss does: then it becomes too sure of itself, and label smoothing alone may do.

```python
if validation_loss < best:
    best = validation_loss
    torch.save(model.state_dict(), "best.pt")
```""")


@dataclass(frozen=True)
class Overfitting:
    """The validation loss rises while the training loss still falls.

    Why it matters: every further step makes the model worse on data it hasn't seen; the best one lies behind.

    How it decides: level = median of 3 validation records. Since its minimum it has been at least `min_rise` above it for
    `min_records` records in a row up to the end, more than twice its noise (four times where the records since then do not rise as a
    whole), while the level of the training loss fell by more than `min_train_fall`. Or it has risen for half of the run, by
    `slow_share` of that, as a trend of `min_trend` standard deviations, while the training loss fell by `min_learned`. Or the
    validation loss began no lower than the training did, and has won certainly less than `max_won` since, without a trend, while the training
    loss lost `min_learned`. Or, of classes, no validation was ever below guessing, and they rise as a trend since the lowest, by `min_train_fall` and twice their noise, while the training loss has come below
    it and fell by more than `min_train_fall` since the first validation, as a trend too. Unit: that of the loss.

    What to try first: keep the checkpoint of the best step, then more data, regularisation, a smaller model.

    Guards against: a noisy validation point, a noisy first one; a model that had learned before its first validation; a rise that
    is small beside what was won since the start; a divergence, where the training loss rises too; losses below zero, and samples weighted in one of the losses alone (not evaluated);
    classes that the training had begun to tell apart by the first validation, below `max_taught` of what guessing costs, while no
    validation was ever below it: those are other classes, or other data (LD108), since nothing can be forgotten that never was known.

    References: Prechelt 1998, Early Stopping, But When?; Mann 1945, Nonparametric Tests Against Trend; Goodfellow, Bengio and Courville 2016, Deep Learning, section 7.8.
    """

    code: ClassVar[str] = "LD107"
    name: ClassVar[str] = "overfitting"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("The model overfits")
    reads: ClassVar[tuple[Quantity, ...]] = (q.VALIDATION_LOSS, q.LOSS)
    may_read: ClassVar[tuple[Quantity, ...]] = (q.CALL_OUTPUTS, q.CALL_TARGET_INDEX)
    explains: ClassVar[tuple[str, ...]] = ("LD108",)

    #: relative to the best level, 1; Prechelt's generalisation loss GL between 5% and 20%
    min_rise: float = 0.1
    #: validation records in a row; rules from one epoch stop too early (Prechelt's UP strategies use 3 to 8)
    min_records: int = 3
    #: relative to the level at the best step, 1; below, the training loss has stopped falling
    min_train_fall: float = 0.02
    #: share of the fall since the start, 1; a smaller rise doesn't matter to anybody
    min_share: float = 0.02
    #: share of `min_rise`, 1; half of it is 5%, Prechelt's smallest
    slow_share: float = 0.5
    #: standard deviations of Mann and Kendall's statistic; ten records in strict order have 3.9
    min_trend: float = 2.5
    #: relative to the training loss at the best step or the first validation, 1; it must be at work, not at its end
    min_learned: float = 0.25
    #: relative to the first validation loss, 1; who has won more has learned something that carries over
    max_won: float = 0.1
    #: first validation loss over the loss that the training began with or over guessing, 1, and the former's inverse; more is another scale, less has learned
    max_first: float = 1.5
    #: training loss at the first validation over that of guessing, 1; what is learned by heart takes many rounds to get there
    max_taught: float = 0.9
    #: validation records of the whole run; fewer show no turn
    min_run: int = 6

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield one finding if validation turned, or never moved, and training did."""
        validation, train = curve_of(run, q.VALIDATION_LOSS), curve_of(run, q.LOSS)
        needs_like_weights(run)
        for loss, least in ((validation, self.min_run), (train, self.min_run)):
            loss.needs_positive()
            loss.needs(least)
        if self._is_other_data(run, validation, train):
            return
        best = int(np.argmin(validation.level))
        then, now = _level_at(train, validation.steps[best]), float(train.level[-1])
        turn = self._turn(validation, best)
        if turn is not None and now < (1 - self.min_train_fall) * then:
            yield self._finding(_MESSAGE, validation, (best, turn), (then, now))
        elif now < (1 - self.min_learned) * then and self._climbs(validation, best):
            span = Span(best + 1, len(validation) - 1)
            yield self._finding(_MESSAGE, validation, (best, span), (then, now))
        elif self._never_moved(validation, train):
            span = Span(0, len(validation) - 1)
            then = _level_at(train, validation.steps[0])
            yield self._finding(_NEVER, validation, (0, span), (then, now))
        elif (guess := _guess(run)) is not None and self._by_heart(validation, train, guess):
            then = _level_at(train, validation.steps[0])
            yield self._learned_by_heart(validation, (then, now), guess)

    def _is_other_data(self, run: Run, validation: Curve, train: Curve) -> bool:
        """Whether classes that the training tells apart were never told apart in the validation."""
        guess = _guess(run)
        if guess is None:
            return False
        taught = _level_at(train, validation.steps[0]) <= self.max_taught * guess
        return taught and float(validation.values.min()) > guess

    def _turn(self, loss: Curve, best: int) -> Span | None:
        """The records far above the best level up to the end."""
        least, since = float(loss.level[best]), loss.values[best:]
        apart = noise(since if len(since) >= self.min_run else loss.values)
        trend = rising(since) >= self.min_trend
        rise = max(
            self.min_rise * least,
            (2 if trend else 4) * apart,
            self.min_share * (float(loss.values[0]) - least),
        )
        above = spans(
            (loss.level >= least + rise) & (np.arange(len(loss)) > best), self.min_records
        )
        return above[-1] if above and above[-1].last == len(loss) - 1 else None

    def _climbs(self, loss: Curve, best: int) -> bool:
        """Whether it has risen for half of the run, little but surely."""
        if 2 * best > len(loss) or loss.values[0] - loss.level[-1] > self._worth(loss, best):
            return False
        slow = loss.level[-1] >= (1 + self.slow_share * self.min_rise) * loss.level[best]
        return bool(slow) and rising(loss.values[best:]) >= self.min_trend

    def _worth(self, loss: Curve, best: int) -> float:
        """What may have been won since the start that a slow rise still matters beside."""
        return float(loss.level[-1] - loss.level[best]) / self.min_share

    def _never_moved(self, loss: Curve, train: Curve) -> bool:
        """Whether the validation loss is where it began, which is where the training began, though the training loss fell."""
        first, late = float(loss.values[0]), loss.values[len(loss) // 2 :]
        began = max(float(train.values[0]), train.start, 1e-30)
        unlearned = 1 / self.max_first < first / began < self.max_first
        then = _level_at(train, loss.steps[0])
        at_work = train.level[-1] <= (1 - self.min_learned) * then
        if not unlearned or not at_work or rising(loss.values) <= -self.min_trend:
            return False
        error = noise(loss.values) * math.sqrt(1 + 1.57 / len(late))
        return first - float(np.median(late)) + 2 * error <= self.max_won * first

    def _by_heart(self, loss: Curve, train: Curve, guess: float) -> bool:
        """Whether validations are surely ever worse than guessing, and the training surely ever better."""
        then, now = _level_at(train, loss.steps[0]), float(train.level[-1])
        since = train.values[train.steps >= loss.steps[0]]
        better = now < min((1 - self.min_train_fall) * then, guess)
        best = int(np.argmin(loss.level))
        # The lowest was picked: a trend since then alone may be chance.
        rise = max(self.min_train_fall * guess, 2 * noise(loss.values))
        worse = rising(loss.values[best:]) >= self.min_trend
        worse &= float(loss.level[-1] - loss.level[best]) >= rise
        surely = worse and rising(since) <= -self.min_trend
        above = float(loss.values.min()) >= (1 - self.min_train_fall / 10) * guess
        one_scale = float(loss.values[0]) <= self.max_first * guess
        return better and surely and above and one_scale and float(loss.level[-1]) > guess

    def _learned_by_heart(self, loss: Curve, train: tuple[float, float], guess: float) -> Finding:
        end, last = float(loss.level[-1]), int(loss.steps[-1])
        message = _HEART.format(
            guess=short_number(guess),
            end=short_number(end),
            last=str(last),
            train_then=short_number(train[0]),
            train_now=short_number(train[1]),
        )
        evidence = Evidence(q.VALIDATION_LOSS.name, "", int(loss.steps[0]), last, end, guess)
        numbers = {"end": end, "guess": guess}
        return Finding(self.code, self.severity, "", (evidence,), message, _HEART_ADVICE, numbers)

    def _finding(
        self, text: Text, loss: Curve, seen: tuple[int, Span], train: tuple[float, float]
    ) -> Finding:
        best, span = seen
        least, end = float(loss.level[best]), float(loss.level[-1])
        best_step = int(
            loss.steps[max(best - 2, 0) : best + 1][
                np.argmin(loss.values[max(best - 2, 0) : best + 1])
            ]
        )
        ends = span.ends(loss.steps)
        message = text.format(
            best_step=str(best_step),
            best=short_number(least),
            end=short_number(end),
            last=str(ends[1]),
            percent=f"{100 * (end / least - 1):.0f}" if least else "inf",
            train_then=short_number(train[0]),
            train_now=short_number(train[1]),
        )
        evidence = Evidence(q.VALIDATION_LOSS.name, "", *ends, end, (1 + self.min_rise) * least)
        numbers = {"best_step": best_step, "best": least, "end": end}
        advice = _ADVICE.format(best_step=str(best_step))
        return Finding(self.code, self.severity, "", (evidence,), message, advice, numbers)


def _guess(run: Run) -> float | None:
    """What guessing among the classes of the only loss call costs; None where that is not known."""
    asked = calls_if_any(run)
    if len(asked) != 1 or asked[0].function not in CLASSES:
        return None
    one = asked[0].typical(q.CALL_TARGET_INDEX) == 1
    return math.log(asked[0].typical(q.CALL_OUTPUTS)) if one else None


def _level_at(loss: Curve, step: int) -> float:
    """Level at the last record up to a step, else the first."""
    return float(loss.level_at(np.array([step]))[0])
