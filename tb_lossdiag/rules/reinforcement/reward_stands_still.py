"""LDR19 reward-stands-still."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.levels import level, noise
from tb_lossdiag.analysis.signals import percent, score, signal, still_gains
from tb_lossdiag.diagnosis.rule import Finding, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "{what} was at {level} at step {step}, after {share}% of the run, and is at {end} at its end: the steps since then have brought nothing."
)
_HELD, _REWARD = Text("The held-out score"), Text("The reward")
_ADVICE = Text("""Nothing may be wrong: a task that is learned stands still as well.

- As high as it can be: stop here, or take harder prompts.
- Below that: look at what stopped first, the entropy (exploration), the spread of the rewards (nothing to compare), or the rate (a schedule
  that has ended).
- Stop by a trend over a held-out score, not by a number of steps.""")


@dataclass(frozen=True)
class RewardStandsStill:
    """The score has not risen for half of the run and more.

    Why it matters: answers are dear, and a run on a plateau buys none of what it costs.

    How it decides: over the second half the held-out score, or else the reward, does not rise beyond chance or by less than a tenth of the whole gain,
    although the run had gained more than `min_noise` times the noise, of which 95% was there by `max_reached` of the run at the latest. Unit: that of the score.

    What to try first: look at what stopped first.

    Guards against: a run that never rose; one that is still rising slowly, or whose noise hides in a short half that it rises.

    References: Mann 1945, Nonparametric tests against trend; Sen 1968, Estimates of the regression coefficient based on Kendall's tau.
    """

    code: ClassVar[str] = "LDR19"
    name: ClassVar[str] = "reward-stands-still"
    severity: ClassVar[Severity] = Severity.INFO
    title: ClassVar[Text] = Text("The reward stands still")
    reads: ClassVar[tuple[Quantity, ...]] = (q.REWARD,)
    may_read: ClassVar[tuple[Quantity, ...]] = (q.HELD_OUT_SCORE,)
    explains: ClassVar[tuple[str, ...]] = ()

    #: times the noise from record to record; what rose less may not have risen
    min_noise: float = 3.0
    #: share of the run, 1; after it less than a third is left, which is no plateau to stop at
    max_reached: float = 2 / 3
    #: records of the reward
    min_records: int = 20

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield one finding for the run."""
        signal(run, q.REWARD, self.min_records)
        seen = score(run, self.min_records)
        gained = seen.end - seen.early
        if gained <= self.min_noise * noise(seen.values) or still_gains(seen):
            return
        reached = level(seen.values, max(len(seen) // 20, 3)) >= seen.early + 0.95 * gained
        row = int(np.argmax(reached))
        step = int(seen.steps[row])
        share = (step - seen.steps[0]) / max(int(np.ptp(seen.steps)), 1)
        if share > self.max_reached:
            return
        what = _HELD if seen.quantity is q.HELD_OUT_SCORE else _REWARD
        message = _MESSAGE.format(
            what=what,
            level=short_number(float(seen.early + 0.95 * gained)),
            step=str(step),
            share=percent(float(share)),
            end=short_number(seen.end),
        )
        evidence = seen.evidence(row / len(seen), 0.1, seen.early + 0.95 * gained)
        yield Finding(self.code, self.severity, "", (evidence,), message, _ADVICE, {"step": step})
