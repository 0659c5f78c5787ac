"""LDR25 reward-falls."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import columns
from tb_lossdiag.analysis.levels import level, noise
from tb_lossdiag.analysis.reinforcement import earned
from tb_lossdiag.analysis.signals import Signal, rises
from tb_lossdiag.diagnosis.rule import Evidence, Finding, NotEnough, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "The reward was at {early} in the first tenth of the run, never rose above it, and is at {end} at its end: the agent earns less than when it began."
)
_NEGATED = Text(
    "The reward was at {early} in the first tenth of the run, never rose above it, and is at {end} at its end. In all {checks} check-ups the loss rises with the likelihood of what was paid for: the minus sign is missing, and what pays is made less likely."
)
_NEEDS = Text("a log of rewards, or `extra=` with one of that name")
_ADVICE = Text("""Look at what has changed first:

- The sign of the policy's loss: an optimizer makes it smaller, so what is to grow needs a minus.
- The world: tasks that get harder, a stronger opponent, a bonus for what is new that is used up. Then nothing is wrong.
- Certainty: an entropy that falls while the reward does is sure of the wrong thing; lower the rate.""")
_SIGN = Text("""An optimizer makes a loss smaller, so the policy's gain needs a minus:

```python
policy_loss = -(log_probs * advantages).mean()
```

Where costs weigh the likelihoods, plus is right: then look at the sign of what is logged as the reward.""")


@dataclass(frozen=True)
class RewardFalls:
    """The agent earns less and less.

    Why it matters: an agent that does nothing but guess keeps what it earns. One whose reward falls from the beginning learns to avoid what it
    is paid for, and its loss may look like any other.

    How it decides: the reward's level in the last tenth of the run lies more than `min_noise` times the noise below that of the first
    tenth, it falls beyond chance, and no tenth lay that far above the first. A warning if in all check-ups, at least `min_checks`, the loss rises
    with the likelihoods that given numbers weigh; else an information. Unit: that of the reward.

    What to try first: the sign of the policy's loss.

    Guards against: costs that weigh likelihoods while what is earned rises; agents that learn and then lose it, of which other rules tell; tasks
    that get harder (an information).

    References: Williams 1992, Simple statistical gradient-following algorithms (REINFORCE); Mann 1945, Nonparametric tests against trend;
    jvmncs/safe-grid-agents pull request 28.
    """

    code: ClassVar[str] = "LDR25"
    name: ClassVar[str] = "reward-falls"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("The reward falls from the beginning")
    reads: ClassVar[tuple[Quantity, ...]] = ()
    may_read: ClassVar[tuple[Quantity, ...]] = (q.REWARD, q.EXTRA, q.POLICY_NEGATED)
    explains: ClassVar[tuple[str, ...]] = ("LDR02", "LDR13", "LDR19")

    #: times the noise from record to record; what fell less may not have fallen
    min_noise: float = 3.0
    #: records of the reward
    min_records: int = 20
    #: check-ups; how a loss is written is the same in each
    min_checks: int = 3

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield one finding for the run."""
        seen = earned(run, self.min_records)
        if seen is None:
            raise NotEnough(_NEEDS)
        if not self._falls(seen):
            return
        checks = self._negated(run)
        severity = self.severity if checks else Severity.INFO
        message, advice = (_NEGATED, _SIGN) if checks else (_MESSAGE, _ADVICE)
        said = message.format(
            early=short_number(seen.early), end=short_number(seen.end), checks=str(checks)
        )
        evidence: tuple[Evidence, ...] = (seen.evidence(0.9, 0.1, seen.early),)
        yield Finding(self.code, severity, "", evidence, said, advice, {"end": seen.end})

    def _falls(self, seen: Signal) -> bool:
        """Whether it does so, and has never been higher than at first."""
        far = self.min_noise * noise(seen.values)
        tenth = max(len(seen) // 10, 5)
        highest = float(level(seen.values, tenth)[tenth - 1 :].max())
        return seen.early - seen.end > far and highest <= seen.early + far and rises(-seen.values)

    def _negated(self, run: Run) -> int:
        """In how many check-ups the loss rises with what was paid for; 0 unless in all of them."""
        signs = [s for s in columns(run, q.POLICY_NEGATED) if len(s.steps) >= self.min_checks]
        fine = bool(signs) and all(each.values.min() >= 1 for each in signs)
        return min((len(each.steps) for each in signs), default=0) if fine else 0
