"""LDR15 value-blind."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.signals import Signal, is_flat, score, signal
from tb_lossdiag.diagnosis.rule import Finding, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "Over the last quarter of {records} records the critic explains {late} of the variance of the returns (1 is all, 0 none){why}: advantages are as noisy as without it."
)
_FLAT = Text(", and the reward stands still")
_BELOW = Text(", and the reward is no higher than it was at first")
_UNMOVED = Text(", and the policy is as undecided as at first")
_LOSS = Text(", and its loss rose from {early} to {end}")
_ADVICE = Text("""The critic cannot predict what it is trained on.

- Scale the rewards (`VecNormalize`, or divide by their running spread): returns in the hundreds drown a value head.
- Its own learning rate or a larger `vf_coef`; more passes for it than for the policy.
- It shares its body with the policy: give it one of its own.
- Look at `gamma` and at how episodes end: a time limit that counts as a failure cannot be predicted.""")

_EVALUATIONS = 8
"""Of a held-out score, from which it is asked instead of the reward."""


@dataclass(frozen=True)
class ValueBlind:
    """The critic predicts returns no better than their mean.

    Why it matters: advantages are then returns less a constant, and the policy learns from noise.

    How it decides: the median of the explained variance over the last quarter is at most `max_explained`, and either the score does not rise over
    the second half, or ends no higher than it began, or the critic's loss ends at least `min_growth` times as high as it began, or no record of the last three
    quarters differs from 0 by more than `max_nothing` and the policy's entropy ends within `max_moved` of where it began: of a policy that does not change a
    reward that rises is chance. Unit: share of the variance.

    What to try first: scale the rewards.

    Guards against: a critic that is late while the agent learns all the same; the beginning of a run with rare rewards, where little is to be
    explained.

    References: Andrychowicz et al. 2020, What matters in on-policy reinforcement learning (arXiv 2006.05990); DLR-RM/stable-baselines3 issue 2240
    (6e-8 for 1.1 million steps with unscaled rewards).
    """

    code: ClassVar[str] = "LDR15"
    name: ClassVar[str] = "value-blind"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("The critic explains nothing")
    reads: ClassVar[tuple[Quantity, ...]] = (q.EXPLAINED_VARIANCE, q.REWARD)
    may_read: ClassVar[tuple[Quantity, ...]] = (
        q.VALUE_LOSS,
        q.HELD_OUT_SCORE,
        q.POLICY_ENTROPY,
        q.ENTROPY_LOSS,
    )
    explains: ClassVar[tuple[str, ...]] = ("LDR16", "LDR19")

    #: share of the variance, 1; nothing, give or take a batch's noise
    max_explained: float = 0.05
    #: share of the variance, 1; a critic whose answers are of the scale of its returns is off by a hundredth at least, one way or the other
    max_nothing: float = 0.001
    #: share of the first entropy, 1; who learns decides more than that
    max_moved: float = 0.05
    #: times the first level of its loss
    min_growth: float = 2.0
    #: records of the explained variance
    min_records: int = 20

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield one finding for the run."""
        seen = signal(run, q.EXPLAINED_VARIANCE, self.min_records)
        signal(run, q.REWARD, self.min_records)
        late = seen.late
        if late > self.max_explained:
            return
        gained = score(run, _EVALUATIONS)
        below = _BELOW if gained.end <= gained.early else self._rose(run)
        why = _FLAT if is_flat(run) else below or self._never(run, seen)
        if why is None:
            return
        message = _MESSAGE.format(records=str(len(seen)), late=short_number(late), why=why)
        evidence = seen.evidence(0.75, 0.25, self.max_explained)
        yield Finding(self.code, self.severity, "", (evidence,), message, _ADVICE, {"late": late})

    def _never(self, run: Run, seen: Signal) -> Text | None:
        if np.abs(seen.part(0.25, 1.0)).max() > self.max_nothing:
            return None
        known = next((each for each in (q.POLICY_ENTROPY, q.ENTROPY_LOSS) if each in run), None)
        if known is None:
            return None
        entropy = signal(run, known, self.min_records)
        unmoved = abs(entropy.end - entropy.early) <= self.max_moved * abs(entropy.early)
        return _UNMOVED if unmoved else None

    def _rose(self, run: Run) -> Text | None:
        if q.VALUE_LOSS not in run:
            return None
        loss = signal(run, q.VALUE_LOSS, self.min_records)
        if loss.end < self.min_growth * loss.early:
            return None
        return _LOSS.format(early=short_number(loss.early), end=short_number(loss.end))
