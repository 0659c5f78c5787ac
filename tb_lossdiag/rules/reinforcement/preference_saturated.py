"""LDR23 preference-saturated."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.levels import level
from tb_lossdiag.analysis.signals import gain, percent, rises, signal
from tb_lossdiag.diagnosis.rule import Finding, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "Since step {step} at least {accuracy}% of the pairs are told apart, and the margin has grown on from {early} to {end}: for {share}% of the run nothing was learned of preferences, and the distance from the reference grew."
)
_ADVICE = Text("""A pair that is told apart with certainty has nothing to teach, but its margin can grow without end.

- Stop there, or take the checkpoint of step {step}: compare both by what they generate.
- Fewer epochs, a smaller learning rate, a larger `beta`.
- A loss whose margin has a goal: TRL's `loss_type="ipo"`; or smoothed labels (`label_smoothing=0.1` with `"robust"` or `"sigmoid"`), since no judge is
  always right.
- Harder pairs: those that the model tells apart before any training can be left out.""")


@dataclass(frozen=True)
class PreferenceSaturated:
    """In a preference tuning all pairs are told apart, and margins grow on.

    Why it matters: where preferences look certain, the loss asks for a margin without a bound, and no divergence to the reference holds it.

    How it decides: from some record to the end the level over `width` records of the accuracy is at least `min_accuracy`, these are at least `min_span` of the
    run, the margin rises over them beyond chance at half of the whole run's pace or more, and ends at `min_margin` or more. Unit: share of pairs;
    implicit reward.

    What to try first: compare a checkpoint of when it began with the last one.

    Guards against: a margin that settles; pairs that are just told apart, whose loss still teaches.

    References: Azar et al. 2023, A general theoretical paradigm to understand learning from human preferences (arXiv 2310.12036), section 4.2; Rafailov et al.
    2023, Direct preference optimization (arXiv 2305.18290), the weight of a pair in equation 7.
    """

    code: ClassVar[str] = "LDR23"
    name: ClassVar[str] = "preference-saturated"
    severity: ClassVar[Severity] = Severity.INFO
    title: ClassVar[Text] = Text("All pairs are told apart already")
    reads: ClassVar[tuple[Quantity, ...]] = (q.PREFERENCE_ACCURACY, q.REWARD_MARGIN)
    may_read: ClassVar[tuple[Quantity, ...]] = ()
    explains: ClassVar[tuple[str, ...]] = ()

    #: share of pairs, 1; one of fifty may be the wrong way round
    min_accuracy: float = 0.98
    #: share of the run, 1
    min_span: float = 0.3
    #: implicit reward; a pair weighs one twentieth from the logarithm of 19 on
    min_margin: float = 2.94
    #: records of a level
    width: int = 5
    #: records of accuracy and margin
    min_records: int = 20

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield one finding for the run."""
        accuracy = signal(run, q.PREFERENCE_ACCURACY, self.min_records)
        margin = signal(run, q.REWARD_MARGIN, self.min_records)
        low = np.flatnonzero(level(accuracy.values, self.width) < self.min_accuracy)
        begin = int(low[-1]) + 1 if len(low) else 0
        share = 1 - begin / len(accuracy)
        if share < self.min_span:
            return
        step = int(accuracy.steps[begin])
        since = margin.values[margin.steps >= step]
        pace = 0.5 * share * (margin.end - margin.early)
        if margin.end < self.min_margin or not rises(since) or gain(since) < pace:
            return
        message = _MESSAGE.format(
            step=str(step),
            accuracy=percent(self.min_accuracy),
            early=short_number(float(np.median(since[: self.width]))),
            end=short_number(margin.end),
            share=percent(share),
        )
        evidence = accuracy.evidence(begin / len(accuracy), share, self.min_accuracy)
        advice = _ADVICE.format(step=str(step))
        yield Finding(self.code, self.severity, "", (evidence,), message, advice, {"step": step})
