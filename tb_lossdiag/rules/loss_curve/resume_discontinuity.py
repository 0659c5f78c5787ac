"""LD113 resume-discontinuity."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import columns
from tb_lossdiag.analysis.curve import Curve, curve_of, needs_one_model
from tb_lossdiag.analysis.levels import noise
from tb_lossdiag.analysis.rates import largest_rate
from tb_lossdiag.analysis.relapse import Step, step_up
from tb_lossdiag.diagnosis.judged import with_judged
from tb_lossdiag.diagnosis.rule import Evidence, Finding, NotEnough, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "The run was resumed at step {step}, and its loss went from {before} to {after} (medians of {records} records on either side); it had begun at {start}. {seen}"
)
_RATE = Text("The learning rate went from {low} to {high} there.")
_INPUTS = Text(
    "The model's inputs are others since then: their {moment} went from {before} to {after}."
)
_NEITHER = Text("Neither the learning rate nor the inputs' scale changed there.")
_MEAN, _STD = Text("mean"), Text("standard deviation")
_ADVICE = Text("""Compare what the two processes loaded and how they were started:

- Is the checkpoint as old as its number says? A step that is counted on from the log, with weights saved long before, looks like this.
- Are they the weights that were trained, and not an average, the best ones so far, or those of another run?
- Do data, augmentation, labels and dropout have the same settings? Print them at the start of each process.
- The scheduler, a GradScaler and the data's order have a state of their own: save them with weights and optimizer, and load all of it.

A validation right after loading and before the first step tells weights from the rest: it must give what the last one gave.""")


@dataclass(frozen=True)
class ResumeDiscontinuity:
    """The loss jumps where a run was resumed: something was not taken along, or is another thing now.

    Why it matters: what is not restored is trained again, or the rest of the run trains on other data than it should.

    How it decides: where another process took up the run, the median loss of the `records` records after it lies above that of the `records` before by
    more than `min_rise` of it, by more than `min_noise` times the noise from record to record, by more than `min_lost` of what had been learned, and by
    `unusual` times the largest such rise of the last 512 records before. Unit: that of the loss. An information where the inputs' mean
    or standard deviation moved by more than `moved` of that deviation, or the learning rate goes on neither from what it was nor from what the run began with
    (within `near`): another phase, on purpose.

    What to try first: a validation right after loading, before the first step.

    Guards against: noise and waves that the run had before; a loss that begins anew (LD103) or an optimizer without its state (LD619), which are told apart; other data and
    other rates on purpose; agents, games of several models, losses below zero (not evaluated).

    References: huggingface/transformers issue 33336; prime-diloco pull request 97 (the data's state); Bekman, Machine Learning Engineering
    (a loss after resuming that is too good, or too bad).
    """

    code: ClassVar[str] = "LD113"
    name: ClassVar[str] = "resume-discontinuity"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("The loss jumps where the run was resumed")
    reads: ClassVar[tuple[Quantity, ...]] = (q.LOSS,)
    may_read: ClassVar[tuple[Quantity, ...]] = (
        q.LEARNING_RATE,
        q.INPUT_MEAN,
        q.INPUT_STD,
        q.STEPS,
        q.LOSS_OF_ANOTHER,
        q.LOSS_TERM,
        q.EXTRA,
        q.CALL_TARGET_MEAN,
        q.CALL_TARGET_STD,
    )
    explains: ClassVar[tuple[str, ...]] = ("LD103", "LD203")

    #: records on either side whose median is the level there
    records: int = 10
    #: share of the loss before, 1; as in the first check of its kind elsewhere
    min_rise: float = 0.2
    #: times the noise from record to record; the difference of two medians of ten strays by half of it
    min_noise: float = 3.0
    #: share of what had been learned, 1; near zero a fifth of the loss is nothing
    min_lost: float = 0.05
    #: the same from which on the loss began anew, as in LD103
    anew: float = 0.5
    #: times the largest rise before, 1; who has waves may be resumed at the foot of one
    unusual: float = 1.5
    #: times; a schedule moves its rate little from one step to the next, as in LD619
    near: float = 1.5
    #: standard deviations of the inputs, 1; batches of one set differ by less
    moved: float = 0.1

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding for the first such restart."""
        needs_one_model(run)
        curve = curve_of(run, q.LOSS)
        curve.needs_positive()
        begins = [r.step for r in run.restarts if r.kind == "resumed"]
        steps = [found for step in begins if (found := step_up(curve, step, self.records))]
        if not steps:
            least = self.records
            raise NotEnough(
                Text(
                    "a run that was resumed by another process, with {least} records of its loss before and after"
                ).format(least=least)
            )
        found = next((each for each in steps if self._jumped(curve, each)), None)
        if found is not None:
            yield self._finding(run, curve, found)

    def _jumped(self, curve: Curve, at: Step) -> bool:
        rise = at.after - at.before
        learned = curve.start - at.before
        past = curve.values[max(0, at.first - 32) : at.first]
        return (
            rise > self.min_rise * at.before
            and rise > self.min_noise * noise(past)
            and self.min_lost * learned < rise < self.anew * learned
            and rise > self.unusual * at.usual
        )

    def _finding(self, run: Run, curve: Curve, at: Step) -> Finding:
        seen, meant = self._seen(run, at)
        message = _MESSAGE.format(
            step=str(at.step),
            before=short_number(at.before),
            after=short_number(at.after),
            records=str(self.records),
            start=short_number(curve.start),
            seen=seen,
        )
        ends = int(curve.steps[at.first]), int(curve.steps[at.first + self.records - 1])
        bound = (1 + self.min_rise) * at.before
        evidence = Evidence(q.LOSS.name, "", *ends, at.after, bound)
        evidence = with_judged(evidence, Text("median of the loss"), *at.medians)
        numbers = {"before": at.before, "after": at.after}
        severity = Severity.INFO if meant else self.severity
        return Finding(self.code, severity, "", (evidence,), message, _ADVICE, numbers)

    def _seen(self, run: Run, at: Step) -> tuple[Text, bool]:
        """What else changed there, and whether that was meant."""
        if (inputs := self._inputs(run, at.step)) is not None:
            return inputs, True
        if q.LEARNING_RATE in run:
            steps, rates = largest_rate(run)
            place = int(np.searchsorted(steps, at.step))
            if 0 < place < len(rates) and not self._same(rates[place], rates[place - 1]):
                low, high = (short_number(float(r)) for r in rates[place - 1 : place + 1])
                return _RATE.format(low=low, high=high), not self._same(rates[place], rates[0])
        return _NEITHER, False

    def _same(self, one: float, other: float) -> bool:
        return bool(other / self.near <= one <= self.near * other)

    def _inputs(self, run: Run, step: int) -> Text | None:
        """Which moment of the inputs moved, if one did."""
        sizes = {
            name: float(np.median(std)) for name, _, std in columns(run, q.INPUT_STD) if len(std)
        }
        for quantity, word in ((q.INPUT_MEAN, _MEAN), (q.INPUT_STD, _STD)):
            for name, steps, values in columns(run, quantity):
                parts = values[steps < step], values[steps >= step]
                if min(map(len, parts)) == 0:
                    continue
                before, after = (float(np.median(part)) for part in parts)
                if abs(after - before) > self.moved * sizes.get(name, np.inf):
                    words = {"before": short_number(before), "after": short_number(after)}
                    return _INPUTS.format(moment=word, **words)
        return None
