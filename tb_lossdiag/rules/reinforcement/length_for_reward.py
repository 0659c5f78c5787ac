"""LDR10 length-for-reward."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.signals import Signal, ranks_agree, signal, together
from tb_lossdiag.diagnosis.rule import Finding, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "Answers grew from {early} to {late} tokens, and the reward rose from {before} to {after} with them{held}."
)
_HELD = Text("; the held-out score was {first} at first and is {last} now")
_UNKNOWN = Text("; no held-out score is logged that could say whether they got better")
_ADVICE = Text("""Read answers of the beginning and of now to the same prompts.

- The reward pays for length: subtract a penalty for it, or judge at equal length.
- A loss that is averaged over each answer's own length favours long wrong ones (TRL: `loss_type="dr_grpo"` or `"dapo"`).
- Log a score on held-out prompts: only that tells padding from thought.""")


@dataclass(frozen=True)
class LengthForReward:
    """The reward follows the length of the answers, and what they are worth does not.

    Why it matters: the easiest way to more reward is then to write more.

    How it decides: the level of the last quarter of the lengths is at least `min_growth` of that of the first tenth, the rank correlation of length and
    reward is at least `min_agree`, the reward rose, and the held-out score gained less than `max_held` of the reward's gain. Without a held-out
    score only an information is given, from `min_alone` times the length on. Unit: times the first length.

    What to try first: read long answers beside short ones.

    Guards against: answers that lengthen because the model learns to reason, where the held-out score rises with the reward.

    References: Singhal et al. 2023, A long way to go (arXiv 2310.03716); Liu et al. 2025, Understanding R1-Zero-like training (arXiv 2503.20783), length
    bias.
    """

    code: ClassVar[str] = "LDR10"
    name: ClassVar[str] = "length-for-reward"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("Answers get longer for the reward")
    reads: ClassVar[tuple[Quantity, ...]] = (q.ANSWER_LENGTH, q.REWARD)
    may_read: ClassVar[tuple[Quantity, ...]] = (q.HELD_OUT_SCORE,)
    explains: ClassVar[tuple[str, ...]] = ("LDR09", "LDR11")

    #: times the first level, 1; rldoctor's
    min_growth: float = 1.5
    #: times the first level, 1; without a held-out score
    min_alone: float = 2.0
    #: rank correlation, 1; rldoctor's
    min_agree: float = 0.6
    #: share of the reward's gain, 1; rldoctor's
    max_held: float = 0.25
    #: records of the length
    min_records: int = 20
    #: records of the held-out score
    min_evaluations: int = 8

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield one finding for the run."""
        length = signal(run, q.ANSWER_LENGTH, self.min_records)
        reward = signal(run, q.REWARD, self.min_records)
        agree = ranks_agree(*together(length, reward))
        gained = reward.late - reward.early
        if length.late < self.min_growth * length.early or agree < self.min_agree or gained <= 0:
            return
        held = self._held(run)
        if held is None and length.late < self.min_alone * length.early:
            return
        if held is not None and held.late - held.early >= self.max_held * gained:
            return
        message = _MESSAGE.format(
            early=short_number(length.early),
            late=short_number(length.late),
            before=short_number(reward.early),
            after=short_number(reward.late),
            held=_told(held),
        )
        severity = Severity.INFO if held is None else self.severity
        evidence = length.evidence(0.0, 0.25, self.min_growth * length.early)
        yield Finding(self.code, severity, "", (evidence,), message, _ADVICE, {"agree": agree})

    def _held(self, run: Run) -> Signal | None:
        if q.HELD_OUT_SCORE not in run:
            return None
        known = int(np.isfinite(run[q.HELD_OUT_SCORE].values[:, 0]).sum())
        few = known < self.min_evaluations
        return None if few else signal(run, q.HELD_OUT_SCORE, self.min_evaluations)


def _told(held: Signal | None) -> Text:
    if held is None:
        return _UNKNOWN
    return _HELD.format(first=short_number(held.early), last=short_number(held.late))
