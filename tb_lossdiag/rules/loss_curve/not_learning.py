"""LD104 not-learning."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.baselines import Baseline, baselines
from tb_lossdiag.analysis.blocks import in_blocks
from tb_lossdiag.analysis.climbs import climbs
from tb_lossdiag.analysis.contrastive import against_a_queue
from tb_lossdiag.analysis.curve import Curve, curve_of, needs_one_model
from tb_lossdiag.analysis.early_fall import Level, fell, level_of, surely_not_below
from tb_lossdiag.analysis.maturity import needs_beginning, needs_full_rate, needs_records
from tb_lossdiag.analysis.parameters import rate
from tb_lossdiag.analysis.plateaus import eighths, margin_of, rate_is_spent
from tb_lossdiag.analysis.reinforcement import follows_a_copy
from tb_lossdiag.diagnosis.rule import Evidence, Finding, NotEnough, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "The loss began at {start} and its level over the last quarter is {end}: a change of {percent}% in {records} records{guess}."
)
_LN_2 = Text(", and {end} is ln 2, the loss of guessing between two classes")
_NEAR_LN_2 = Text(
    ", with a level within {percent}% of ln 2 throughout, the loss of guessing between two classes, and the learning rate is at the end of its schedule"
)
_MARGIN = Text(
    "; `{call}` has never cost less than its margin, {margin}, by more than {percent}%: what it costs when all embeddings are one"
)
_CLASSES = Text(
    "; `{call}` costs {value}, no less than guessing between {classes} classes ({blind})"
)
_CONSTANT = Text(
    "; `{call}` costs {value}, no less than giving the same best answer to every input ({blind})"
)
_BETTER = Text(
    "; it was {share}% of what guessing costs from the beginning, so that a model that was trained before may have no more to learn"
)
_CLIMBS = Text("; it has risen all along{better}")
_NO_GUESS = Text("")
_ADVICE = Text("""First see whether the model can learn at all: train on one fixed batch. If that loss does not go to zero, the fault is in model, loss or loop, not in the data.

```python
batch = next(iter(loader))
for step in range(200):
    optimizer.zero_grad()
    criterion(model(batch[0]), batch[1]).backward()
    optimizer.step()
```

- Loop: does the optimizer hold this model's parameters, is `step()` called, does nothing `detach()` the output?
- Loss: do targets still belong to their inputs after shuffling, and does the loss take logits or probabilities?
- Learning rate{rate}: try 10 times more and 10 times less.""")

_OF_A_COPY = Text(
    "a loss that measures progress: values that a second network makes become harder to follow as it learns"
)
_SAME = 1e-3
"""Relative difference of a call's value and the recorded loss: float32 and bfloat16 round."""


@dataclass(frozen=True)
class NotLearning:
    """The loss ends where it began.

    Why it matters: the steps so far bought nothing, and more of them will not.

    How it decides: start = median of the first 3 records, end = median of the last quarter. It fires if the end is not below
    the start by more than `max_fall` of it or twice the standard error of a quarter's median (of the difference, up to `max_noise`
    of the start, where the first tenth and the first quarter are not above the end either), and if the second and the last
    quarter agree within `max_drift` or three standard errors of their difference. Of fewer than `min_records` records it must be certain that less
    than `max_noise` was won, and each must stand for many steps. A flat loss also counts, from whatever start, if in the check-ups of the
    second half its only loss call costs no less, within `guess_tolerance`, than guessing between all classes or than the best constant
    value (of classes: as much as their frequencies in the batch; with fewer than `min_checks`, the recorded loss counts if it was that call's value, in any unit, in those there are). Without check-ups: a level of ln 2, from a start of at most `max_guess_start`
    times that. Where no eighth of the run lies more than `max_fall` below one of these, drift or not, it fires as well: ln 2, once the
    learning rate is at the end of its schedule; and the margin of a triplet loss, unless the last eighth is the lowest. So it does where
    the loss has risen all along, by more than its noise, and no eighth lies more than `max_fall` below the start. Unit: that of the loss.

    What to try first: overfit one batch; then check the loop, the loss's inputs and the learning rate.

    Guards against: a converged run, which began higher; negatives from a queue, which are noise at first (judged from the highest level on); a model that was trained before (an information, where it began at half of what guessing costs or
    less); a loss that rises with other data, weights of terms or harder lessons, data in blocks of which the first was easy, and one below a constant answer; a run recorded from its middle, a learning rate still warming up, a loss
    that goes below zero, values beside a second network, which may make them, and games of several models, whose balance is that of guessing (all not evaluated).

    References: Karpathy 2019, A Recipe for Training Neural Networks ("overfit one batch"); Goodfellow, Bengio and Courville
    2016, Deep Learning, section 11.5.
    """

    code: ClassVar[str] = "LD104"
    name: ClassVar[str] = "not-learning"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("The loss does not fall")
    reads: ClassVar[tuple[Quantity, ...]] = (q.LOSS,)
    may_read: ClassVar[tuple[Quantity, ...]] = (
        q.LEARNING_RATE,
        q.GRADIENT_NORM,
        q.PARAMETER_NORM,
        q.CALL_VALUE,
        q.CALL_BASELINE,
        q.CALL_OUTPUTS,
        q.CALL_SAMPLES,
        q.CALL_SUMMED,
        q.CALL_MAJORITY,
        q.STEPS,
        q.LOSS_OF_ANOTHER,
        q.VALIDATION_LOSS,
        q.VALIDATION_ACCURACY,
        q.INPUT_STD,
        q.LOSS_WEIGHT,
        q.LOSS_TERM,
        q.EXTRA,
        q.CALL_TARGET_MEAN,
        q.CALL_TARGET_STD,
        q.CALL_MARGIN,
        q.CALL_TARGET_INDEX,
        q.CALL_TARGET_UNIQUE,
        q.CALL_TARGET_MIN,
        q.CALL_TARGET_MAX,
        q.COPY_DISTANCE,
    )
    explains: ClassVar[tuple[str, ...]] = ("LD118",)

    #: share of the starting level, 1; fine-tuning of a good model wins more than that
    max_fall: float = 0.02
    #: share of the starting level between second and last quarter, 1; what falls steadily is slow, but learns
    max_drift: float = 0.002
    #: relative distance to the loss of guessing, 1; what a model that begins to learn wins first is several times that
    guess_tolerance: float = 0.01
    #: start over ln 2, 1; a random output layer costs that much, and a run that fell from further up has learned
    max_guess_start: float = 1.3
    #: share of the loss of guessing in the first batches, 1; who begins there has learned before
    max_known: float = 0.5
    #: check-ups in the second half; one batch can be hard
    min_checks: int = 3
    #: share of the starting level, 1; who has won more has learned, however noisy the loss
    max_noise: float = 0.1
    #: records; a quarter then has enough for a standard error
    min_records: int = 50
    #: records where each stands for an epoch, or for ten steps and more; a quarter then has three
    min_sparse: int = 12

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield one finding if the loss has stayed at its start, or at that of guessing."""
        needs_one_model(run)
        if follows_a_copy(run):
            raise NotEnough(_OF_A_COPY)
        loss = curve_of(run, q.LOSS)
        loss.needs_positive()
        needs_records(run, loss, self.min_records, self.min_sparse)
        needs_beginning(loss)
        needs_full_rate(run, loss)
        loss = self._since_the_queue_filled(run, loss)
        quarter, half, last = (loss.row(part) for part in (0.25, 0.5, 0.75))
        second, end = level_of(loss, quarter, half), level_of(loss, last, len(loss))
        apart = 3 * math.hypot(second.error, end.error)
        flat = abs(second.value - end.value) <= max(self.max_drift * loss.start, apart)
        stuck = self._stuck(run, loss)
        if not np.isfinite(end.value):
            return
        better = self._better(run)
        mild = self.severity if better is _NO_GUESS else Severity.INFO
        if not flat and stuck is _NO_GUESS:
            if climbs(run, loss, end, self.max_fall):
                words = _CLIMBS.format(better=better)
                yield replace(self._finding(run, loss, end.value, words), severity=mild)
            return
        guess = stuck if stuck is not _NO_GUESS else self._guess(run, loss, end)
        if guess is not _NO_GUESS:
            yield self._finding(run, loss, end.value, guess)
        elif self._is_at_its_start(loss, end) and not in_blocks(run):
            yield replace(self._finding(run, loss, end.value, better), severity=mild)

    def _since_the_queue_filled(self, run: Run, loss: Curve) -> Curve:
        """The loss from its highest level on, where it compares with a queue and has risen at first."""
        top = int(np.argmax(loss.level))
        if loss.level[top] <= (1 + self.max_noise) * loss.start or not against_a_queue(run):
            return loss
        since = Curve(loss.steps[top:], loss.values[top:])
        since.needs(self.min_records)
        return since

    def _stuck(self, run: Run, loss: Curve) -> Text:
        """What a loss that may drift has never won anything of."""
        percent, levels = short_number(100 * self.max_fall), eighths(loss)
        triplets = margin_of(run, loss)
        # A plateau that has begun to end lies lower than ever.
        waits = levels[-1] > levels.min() >= (1 - self.max_fall) * (triplets or ("", 0.0))[1]
        if triplets and waits:
            margin = short_number(triplets[1])
            return _MARGIN.format(call=triplets[0], margin=margin, percent=percent)
        near = np.abs(levels / math.log(2) - 1).max() <= self.max_fall
        if q.CALL_BASELINE not in run and near and rate_is_spent(run):
            return _NEAR_LN_2.format(percent=percent)
        return _NO_GUESS

    def _is_at_its_start(self, loss: Curve, end: Level) -> bool:
        if len(loss) < self.min_records and not surely_not_below(loss, end, self.max_noise):
            return False
        return not fell(loss, end, self.max_fall, self.max_noise)

    def _better(self, run: Run) -> Text:
        """By how much the first batches were better than guessing already; nothing where they were not by far."""
        known = baselines(run) if q.CALL_VALUE in run and q.CALL_BASELINE in run else []
        if len(known) != 1:
            return _NO_GUESS
        first = slice(0, self.min_checks)
        share = float(np.median(known[0].value[first] / known[0].blind[first]))
        if not 0 < share <= self.max_known:
            return _NO_GUESS
        return _BETTER.format(share=short_number(100 * share))

    def _guess(self, run: Run, loss: Curve, level: Level) -> Text:
        """What kind of guessing costs as much as the loss does at the end."""
        end, error = level
        if q.CALL_VALUE in run and q.CALL_BASELINE in run:
            known = baselines(run)
            return self._blind(known[0], loss, level) if len(known) == 1 else _NO_GUESS
        # A level that isn't known that well may lie near ln 2 by chance.
        near = max(abs(end - math.log(2)), error) <= self.guess_tolerance * math.log(2)
        guessing = near and loss.start <= self.max_guess_start * end
        return _LN_2.format(end=short_number(end)) if guessing else _NO_GUESS

    def _blind(self, call: Baseline, loss: Curve, end: Level) -> Text:
        late = call.steps >= loss.steps[loss.row(0.5)]
        value, error = float(np.median(call.value[late])) if late.any() else np.nan, 0.0
        if late.sum() < self.min_checks:
            unit = self._in_its_unit(call, loss)
            value, error = end.value / unit, end.error / unit
            late = np.ones(len(late), bool)
        for text, blind, surely in (
            (_CLASSES if call.classes else _CONSTANT, call.uniform, True),
            # A batch of few samples has not all classes, so more than its own entropy is no proof.
            (_CONSTANT, float(np.median(call.blind[late])), not call.classes),
        ):
            apart = blind - value if surely else abs(blind - value)
            if blind > 0 and max(apart, error) <= self.guess_tolerance * blind:
                words = {"value": short_number(value), "blind": short_number(blind)}
                return text.format(call=call.column, classes=str(call.classes), **words)
        return _NO_GUESS

    def _in_its_unit(self, call: Baseline, loss: Curve) -> float:
        """The recorded loss over this call's value, if it is that value in some unit; else NaN."""
        _, ours, theirs = np.intersect1d(call.steps, loss.steps, return_indices=True)
        units = loss.values[theirs] / call.value[ours]
        unit = float(np.median(units)) if len(units) >= self.min_checks else np.nan
        return unit if bool(np.isclose(units, unit, rtol=_SAME).all()) and unit > 0 else np.nan

    def _finding(self, run: Run, loss: Curve, end: float, guess: Text) -> Finding:
        start, lr = loss.start, rate(run)
        percent = short_number(100 * (end - start) / start) if start else "0"
        words = {"start": short_number(start), "end": short_number(end), "percent": percent}
        message = _MESSAGE.format(guess=guess, records=len(loss), **words)
        at = "" if lr is None else f" (`lr` {short_number(lr)})"
        ends = int(loss.steps[0]), int(loss.steps[-1])
        evidence = Evidence(q.LOSS.name, "", *ends, end, (1 - self.max_fall) * start)
        numbers = {"start": start, "end": end}
        advice = _ADVICE.format(rate=at)
        return Finding(self.code, self.severity, "", (evidence,), message, advice, numbers)
