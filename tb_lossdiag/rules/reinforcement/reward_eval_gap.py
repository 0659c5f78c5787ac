"""LDR11 reward-eval-gap."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.levels import level, noise
from tb_lossdiag.analysis.signals import gain, percent, rises, signal
from tb_lossdiag.diagnosis.rule import Evidence, Finding, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.records import Doubles
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "Since step {best_step} the held-out score has fallen from {best} to {end} and lost {lost}, while the reward rose from {before} to {after}: the reward is being won in another way than by the task."
)
_GAINED, _BEGAN = Text("{lost}% of what it had gained"), Text("{lost}% of what it was at first")
_ALL = Text("all that it had gained and more")
_ADVICE = Text("""Keep the checkpoint of step {best_step}. Then read answers with a high reward and a wrong result: they show how it is won.

- A grader with a hole: make it stricter, add cases that it must refuse.
- A reward model far from what it was trained on: train it on answers of now, weigh the divergence from the reference more.
- Such a gap is seen after it has opened; it is no early warning.""")


@dataclass(frozen=True)
class RewardEvalGap:
    """The training's reward goes on rising while the score on held-out data falls.

    Why it matters: what is optimised is no longer what is wanted; the reward alone cannot show it.

    How it decides: the held-out score, as a median of three evaluations, lost since its best at least `min_lost` of what it had gained since its start
    (a warning) or `min_most` (an error), both beyond its noise; where it never gained that much, the same shares of what it was at first, and it must fall over
    the whole run beyond chance. It does not rise over that time, and the reward rises over it beyond chance and noise, or has risen so over the run
    and does not fall over it. Unit: share of the gain, or of
    the first level.

    What to try first: keep the best checkpoint, and read what is rewarded now.

    Guards against: fewer than `min_evaluations` evaluations; a score and a reward of different units, which are never compared with each other;
    a fall within the noise.

    References: Gao et al. 2022, Scaling laws for reward model overoptimization (arXiv 2210.10760); Skalse et al. 2022, Defining and
    characterizing reward hacking (arXiv 2209.13085).
    """

    code: ClassVar[str] = "LDR11"
    name: ClassVar[str] = "reward-eval-gap"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("The reward rises, the held-out score falls")
    reads: ClassVar[tuple[Quantity, ...]] = (q.REWARD, q.HELD_OUT_SCORE)
    may_read: ClassVar[tuple[Quantity, ...]] = ()
    explains: ClassVar[tuple[str, ...]] = ("LDR13", "LDR19")

    #: share of what had been gained, 1
    min_lost: float = 0.3
    #: share of what had been gained, 1; half of it is gone
    min_most: float = 0.5
    #: times the score's noise; a fall within it is none
    min_noise: float = 3.0
    #: evaluations
    min_evaluations: int = 8
    #: records of the reward
    min_records: int = 20

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield one finding for the run."""
        held = signal(run, q.HELD_OUT_SCORE, self.min_evaluations)
        reward = signal(run, q.REWARD, self.min_records)
        smooth = level(held.values, 3)
        place = int(np.argmax(smooth))
        start, best, end = (float(smooth[row]) for row in (2, place, -1))
        gained, lost = best - start, best - end
        since = int(held.steps[place])
        later = reward.values[reward.steps >= since]
        beyond = self.min_noise * noise(held.values)
        never = gained <= beyond and rises(-held.values)
        whole = abs(best) if never else gained
        falls = lost >= self.min_lost * whole and (lost if never else min(gained, lost)) > beyond
        if not falls or rises(held.values[place:]):
            return
        if len(later) < self.min_records // 2:
            return
        if not _grows(later):
            if not _grows(reward.values) or rises(-later):
                return
            later = reward.values
        width = max(len(later) // 10, 1)
        message = _MESSAGE.format(
            best_step=str(since),
            best=short_number(best),
            end=short_number(end),
            lost=_share(lost / whole, of=_BEGAN if never else _GAINED),
            before=short_number(float(np.median(later[:width]))),
            after=short_number(float(np.median(later[-width:]))),
        )
        severity = Severity.ERROR if lost >= self.min_most * whole else self.severity
        evidence = Evidence(
            q.HELD_OUT_SCORE.name, held.column, since, int(held.steps[-1]), end, best
        )
        numbers = {"best_step": since, "lost": lost / whole}
        advice = _ADVICE.format(best_step=str(since))
        yield Finding(self.code, severity, "", (evidence,), message, advice, numbers)


def _share(lost: float, of: Text) -> Text:
    """How much of it is gone; what is more than all of a gain is no share of it."""
    return _ALL if lost > 1 and of is _GAINED else of.format(lost=percent(lost))


def _grows(values: Doubles) -> bool:
    """Whether they rise beyond chance and by more than their noise."""
    return rises(values) and gain(values) > noise(values)
