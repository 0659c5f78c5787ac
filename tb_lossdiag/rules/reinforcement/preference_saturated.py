"""LDR23 preference-saturated."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.levels import level
from tb_lossdiag.analysis.signals import Signal, gain, percent, rises, signal
from tb_lossdiag.diagnosis.rule import Finding, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "Since step {step} at least {accuracy}% of the pairs are told apart by a margin at which they hardly weigh any more, and it has grown on from {early} to {end}: for {share}% of the run little was learned of preferences, and the distance from the reference grew."
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

    How it decides: from some record to the end the level over `width` records of the accuracy is at least `min_accuracy` and that of the margin at least
    `min_margin`; these are at least `min_span` of the run, and the margin rises over them beyond chance by at least `min_growth` of what it was. Unit: share of
    pairs; implicit reward.

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
    #: share of the margin where it began, 1
    min_growth: float = 0.2
    #: records of a level
    width: int = 5
    #: records of accuracy and margin
    min_records: int = 20

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield one finding for the run."""
        accuracy = signal(run, q.PREFERENCE_ACCURACY, self.min_records)
        margin = signal(run, q.REWARD_MARGIN, self.min_records)
        step = max(self._since(accuracy, self.min_accuracy), self._since(margin, self.min_margin))
        row = int(np.searchsorted(accuracy.steps, step))
        share = 1 - row / len(accuracy)
        since = margin.values[margin.steps >= step]
        if share < self.min_span or len(since) < self.width:
            return
        first = float(np.median(since[: self.width]))
        if not rises(since) or gain(since) < self.min_growth * first:
            return
        message = _MESSAGE.format(
            step=str(step),
            accuracy=percent(self.min_accuracy),
            early=short_number(first),
            end=short_number(margin.end),
            share=percent(share),
        )
        evidence = accuracy.evidence(row / len(accuracy), share, self.min_accuracy)
        advice = _ADVICE.format(step=str(step))
        yield Finding(self.code, self.severity, "", (evidence,), message, advice, {"step": step})

    def _since(self, seen: Signal, least: float) -> int:
        """From which step on its level never falls below that again; one after the end if it is below at the end."""
        low = np.flatnonzero(level(seen.values, self.width) < least)
        row = int(low[-1]) + 1 if len(low) else 0
        return int(seen.steps[row]) if row < len(seen) else int(seen.steps[-1]) + 1
