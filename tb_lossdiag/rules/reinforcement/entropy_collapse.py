"""LDR02 entropy-collapse."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.signals import is_flat, percent, signal
from tb_lossdiag.diagnosis.rule import Finding, NotEnough, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "The entropy of the policy fell from {early} to {end}, {share}% of what it was, while nothing is gained any more: each prompt gets one answer, and there is nothing left to choose from."
)
_ADVICE = Text("""Go back to a checkpoint from before the fall: an entropy that is gone does not come back by itself.

- A smaller learning rate; fewer passes over the same answers.
- A higher upper bound of the clip than the lower one (DAPO's clip-higher; TRL: `epsilon_high=0.28`), which lets rare answers grow.
- A divergence to the reference (`beta`), or a small entropy bonus.
- Prompts that are always solved out, harder ones in.""")


@dataclass(frozen=True)
class EntropyCollapse:
    """The policy's entropy is used up while the score stands still.

    Why it matters: what is always the same is neither compared nor improved, and the remaining steps buy nothing.

    How it decides: the level of the last tenth is at most `max_left` of that of the first tenth, and the held-out score, or else the reward,
    does not rise over the second half: not beyond chance (Mann and Kendall), or by less than a tenth of the run's gain (Theil and Sen). Unit: share
    of the first level.

    What to try first: go on from a checkpoint before the fall with a smaller rate.

    Guards against: an entropy that falls because the agent gets better; a supervised run, whose entropy is to fall; an entropy of continuous
    choices, which has no zero.

    References: Cui et al. 2025, The Entropy Mechanism of Reinforcement Learning for Reasoning Language Models (arXiv 2505.22617); Yu et al. 2025, DAPO (arXiv
    2503.14476), section 3.1.
    """

    code: ClassVar[str] = "LDR02"
    name: ClassVar[str] = "entropy-collapse"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("The policy has stopped exploring")
    reads: ClassVar[tuple[Quantity, ...]] = (q.POLICY_ENTROPY, q.REWARD)
    may_read: ClassVar[tuple[Quantity, ...]] = (q.HELD_OUT_SCORE,)
    explains: ClassVar[tuple[str, ...]] = ("LDR01", "LDR13", "LDR19")

    #: share of the first level, 1; rldoctor's floor, below which the reward hardly follows any more
    max_left: float = 0.1
    #: records of the entropy
    min_records: int = 20

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield one finding for the run."""
        seen = signal(run, q.POLICY_ENTROPY, self.min_records)
        signal(run, q.REWARD, self.min_records)
        early, end = seen.early, seen.end
        if not (early > 0 and (seen.values >= 0).all()):
            raise NotEnough(Text("an entropy of separate choices: it is never negative"))
        if end > self.max_left * early or not is_flat(run):
            return
        message = _MESSAGE.format(
            early=short_number(early), end=short_number(end), share=percent(end / early)
        )
        evidence = seen.evidence(0.5, 0.1, self.max_left * early)
        numbers = {"early": early, "end": end}
        yield Finding(self.code, self.severity, "", (evidence,), message, _ADVICE, numbers)
