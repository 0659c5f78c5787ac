"""LDR03 entropy-explosion."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.signals import rises, score, signal
from tb_lossdiag.diagnosis.rule import Finding, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "The entropy of the policy rose from {early} to {end} nats while {what} fell from {best} to {now}: answers turn into noise."
)
_HELD, _REWARD = Text("the held-out score"), Text("the reward")
_ADVICE = Text("""Read twenty answers of now: words without a sentence show it at once. Go back to a checkpoint from before the rise.

- No bonus for entropy, or a smaller one (`entropy_coef`, `entropy_coeff`, `ent_coef`): it is the first thing to take away.
- An upper bound of the clip that is less far up (`epsilon_high`), or a divergence to the reference (`beta`).
- A smaller learning rate; answers whose advantage is negative and very unlikely left out, since pushing them down spreads their probability anywhere.""")


@dataclass(frozen=True)
class EntropyExplosion:
    """The policy's entropy grows and grows while the score falls.

    Why it matters: what is drawn nearly at random is rarely rewarded, and what was learned before is lost with it.

    How it decides: the level of the last tenth is at least `min_growth` times that of the first tenth, or `min_rise` nats above it, and at least `min_entropy` nats; over the
    second half or over the whole run the held-out score, or else the reward, falls beyond chance (Mann and Kendall). Unit: nats per token or action.

    What to try first: take the entropy bonus away.

    Guards against: a clip that is higher above than below, under which entropy rises and settles below about a nat; a rise during which the score
    does not fall; the first steps of a policy that was nearly certain; actions that are numbers.

    References: rllm-org/rllm issue 116 (below 1 is fine, 2 was not); verl-project/verl pull request 781 (a bonus of 0.001); Cui et al. 2025, The Entropy
    Mechanism of Reinforcement Learning for Reasoning Language Models (arXiv 2505.22617).
    """

    code: ClassVar[str] = "LDR03"
    name: ClassVar[str] = "entropy-explosion"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("The policy dissolves into noise")
    reads: ClassVar[tuple[Quantity, ...]] = (q.POLICY_ENTROPY, q.REWARD)
    may_read: ClassVar[tuple[Quantity, ...]] = (q.HELD_OUT_SCORE,)
    explains: ClassVar[tuple[str, ...]] = ("LDR04", "LDR09", "LDR11")

    #: times the first level, 1; sampling settles before that under a high upper bound
    min_growth: float = 3.0
    #: nats; at every word 4.5 times as many choices
    min_rise: float = 1.5
    #: nats; runs that settled below it learned on
    min_entropy: float = 1.0
    #: records of the entropy
    min_records: int = 20
    #: evaluations from which a held-out score is asked instead of the reward
    min_evaluations: int = 8

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield one finding for the run."""
        seen = signal(run, q.POLICY_ENTROPY, self.min_records)
        signal(run, q.REWARD, self.min_records)
        early = max(seen.early, 0.0)
        least = max(min(self.min_growth * early, early + self.min_rise), self.min_entropy)
        gained = score(run, self.min_evaluations)
        late = rises(-gained.part(0.5, 1.0))
        if seen.end < least or not (late or rises(-gained.values)):
            return
        best = gained.level(0.5, 0.6) if late else gained.early
        message = _MESSAGE.format(
            early=short_number(seen.early),
            end=short_number(seen.end),
            what=_HELD if gained.quantity is q.HELD_OUT_SCORE else _REWARD,
            best=short_number(best),
            now=short_number(gained.end),
        )
        evidence = seen.evidence(0.5, 0.1, least)
        numbers = {"early": seen.early, "end": seen.end}
        yield Finding(self.code, self.severity, "", (evidence,), message, _ADVICE, numbers)
