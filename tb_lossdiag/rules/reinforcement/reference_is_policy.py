"""LDR22 reference-is-policy."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.signals import percent, signal
from tb_lossdiag.diagnosis.rule import (
    Evidence,
    Finding,
    NotEnough,
    Severity,
    Text,
    short_number,
)
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "The margin between chosen and rejected answers is exactly 0 in {share}% of {records} records{loss}: {why}."
)
_SEEN = Text(
    "The loss compares a policy with its reference, and in all {checks} check-ups both are equal to the last bit{loss}: the reference is the policy itself, or nothing is trained."
)
_SEEN_PAIR = Text(
    "The loss compares what a policy thinks of two answers, and in all {checks} check-ups that is equal to the last bit{loss}: both answers of a pair are the same."
)
_LOSS = Text(", and the loss stays at {value}, the logarithm of 2")
_SAME_MODEL = Text(
    "so is the reward of the chosen ones, since the reference is the policy itself, or nothing is trained"
)
_SAME_ANSWER = Text("the reward of the chosen ones is not, so both answers of a pair are the same")
_NOTHING = Text("")
_NEEDS = Text("a log of margins and rewards, or a check-up of a loss of preferences")
_ADVICE = Text("""Print one pair as the trainer has it, and whether two models are two.

- The same answer twice: a column was taken for both, or a template cut both down to the same tokens.
- `ref_model is model`, or an adapter that is active while the reference is asked: give the reference a copy of its own, or leave
  `ref_model=None` with PEFT.
- Nothing that is trained.""")


@dataclass(frozen=True)
class ReferenceIsPolicy:
    """In a preference tuning the margin is exactly 0: there is nothing to learn from.

    Why it matters: the loss is the logarithm of 2 and stays there, which looks like a slow beginning.

    How it decides: the logged margin is exactly 0 in at least `min_share` of the records after the first. Whether the reward of the chosen answers is 0 as
    well tells the two causes apart. Or all check-ups, at least `min_checks`, see a logistic function of differences between what is trained and what is
    not that are exactly 0. Unit: share of records.

    What to try first: print one pair, and compare both models.

    Guards against: the first step, where policy and reference are equal by design; gradients of exactly 0, of which a policy that is its own reference
    has none: whatever makes them keeps both as they are (LD205).

    References: Rafailov et al. 2023, Direct preference optimization (arXiv 2305.18290), equation 7; huggingface/trl issue 1311.
    """

    code: ClassVar[str] = "LDR22"
    name: ClassVar[str] = "reference-is-policy"
    severity: ClassVar[Severity] = Severity.ERROR
    title: ClassVar[Text] = Text("Preferences teach nothing")
    reads: ClassVar[tuple[Quantity, ...]] = ()
    may_read: ClassVar[tuple[Quantity, ...]] = (
        q.REWARD_MARGIN,
        q.CHOSEN_REWARD,
        q.PREFERENCE_IDLE,
        q.GRADIENT_NORM,
        q.LOSS,
    )
    explains: ClassVar[tuple[str, ...]] = ("LD104", "LD109", "LD205", "LD523", "LD602", "LD705")

    #: share of records, 1; a run that begins to learn late is another matter
    min_share: float = 0.9
    #: nats around the logarithm of 2
    max_apart: float = 1e-3
    #: records of the margin
    min_records: int = 20
    #: check-ups; a rate that is warmed up may leave half-precision weights as they are in the first ones
    min_checks: int = 5

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield one finding for the run."""
        if q.REWARD_MARGIN in run and q.CHOSEN_REWARD in run:
            yield from self._logged(run)
        elif q.PREFERENCE_IDLE in run:
            yield from self._compared(run)
        else:
            raise NotEnough(_NEEDS)

    def _compared(self, run: Run) -> Iterator[Finding]:
        table = run[q.PREFERENCE_IDLE]
        causes, checks = set(table.values[1:, 0].tolist()), len(table)
        text = {1.0: _SEEN, 2.0: _SEEN_PAIR}.get(min(causes, default=0.0))
        if checks < self.min_checks:
            least = Text("at least {least} check-ups of a loss of preferences")
            raise NotEnough(least.format(least=self.min_checks))
        if len(causes) != 1 or text is None or (text is _SEEN and self._still(run)):
            return
        message = text.format(checks=str(checks), loss=self._loss(run))
        ends = int(table.steps[0]), int(table.steps[-1])
        evidence = Evidence(q.PREFERENCE_IDLE.name, "", *ends, causes.pop(), 0.0)
        yield Finding(
            self.code, self.severity, "", (evidence,), message, _ADVICE, {"checks": checks}
        )

    def _logged(self, run: Run) -> Iterator[Finding]:
        seen = signal(run, q.REWARD_MARGIN, self.min_records)
        chosen = signal(run, q.CHOSEN_REWARD, self.min_records)
        share = float((seen.values[1:] == 0).mean())
        if share < self.min_share:
            return
        same = bool((chosen.values[1:] == 0).mean() >= self.min_share)
        if same and self._still(run):
            return
        message = _MESSAGE.format(
            share=percent(share),
            records=str(len(seen)),
            loss=self._loss(run),
            why=_SAME_MODEL if same else _SAME_ANSWER,
        )
        evidence = seen.seen(0.0, 0.0, 0.0)
        yield Finding(self.code, self.severity, "", (evidence,), message, _ADVICE, {"share": share})

    def _still(self, run: Run) -> bool:
        """Whether no parameter ever had a gradient other than exactly 0."""
        if q.GRADIENT_NORM not in run:
            return False
        values = run.highest(q.GRADIENT_NORM).values
        known = np.isfinite(values)
        enough = int(known.any(axis=1).sum()) >= self.min_records
        return enough and not values[known].any()

    def _loss(self, run: Run) -> Text:
        if q.LOSS not in run:
            return _NOTHING
        value = float(np.nanmedian(run[q.LOSS].values))
        near = abs(value - math.log(2)) <= self.max_apart
        return _LOSS.format(value=short_number(value)) if near else _NOTHING
