"""LDR05 kl-pinned."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.signals import rises, score, signal
from tb_lossdiag.diagnosis.rule import Finding, NotEnough, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "The divergence from the reference is {level} nats over the last half of {records} records, and the score has not risen: the policy still is the reference."
)
_ADVICE = Text("""Nothing moves the policy, or something holds it.

- A larger learning rate first: at rates for fine-tuning without adapters an adapter hardly moves.
- A smaller weight of the divergence (`beta`, `kl_coef`), 0 included.
- A reward that differs between the answers of a prompt; without a difference there is no gradient.""")


@dataclass(frozen=True)
class KlPinned:
    """The policy stays where its reference is, and gains nothing.

    Why it matters: answers are made and graded, and what is learned from them is nothing.

    How it decides: the median divergence over the last half is below `max_kl` nats without being exactly 0, no part of it is above ten times that, and
    the held-out score, or else the reward, does not rise over the run beyond chance (Mann and Kendall). Unit: nats per token.

    What to try first: a larger learning rate.

    Guards against: a run without a reference, which logs no divergence or exactly 0; a task that is learned with hardly a change.

    References: Ouyang et al. 2022, Training language models to follow instructions with human feedback (arXiv 2203.02155), which takes a penalty per token
    for the divergence from the supervised model off the reward.
    """

    code: ClassVar[str] = "LDR05"
    name: ClassVar[str] = "kl-pinned"
    severity: ClassVar[Severity] = Severity.INFO
    title: ClassVar[Text] = Text("The policy does not leave its reference")
    reads: ClassVar[tuple[Quantity, ...]] = (q.REFERENCE_KL, q.REWARD)
    may_read: ClassVar[tuple[Quantity, ...]] = (q.HELD_OUT_SCORE,)
    explains: ClassVar[tuple[str, ...]] = ()

    #: nats per token; rldoctor's, a fifth of what is logged at a rate of 7e-6 in huggingface/trl issue 3452, a hundredth of what a gentle run has
    max_kl: float = 1e-4
    #: records of the divergence; the first tenth of a long run is warm-up
    min_records: int = 30
    #: evaluations from which a held-out score is asked instead of the reward
    min_evaluations: int = 8

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield one finding for the run."""
        seen = signal(run, q.REFERENCE_KL, self.min_records)
        signal(run, q.REWARD, self.min_records)
        half = np.abs(seen.part(0.5, 1.0))
        if not half.any():
            raise NotEnough(Text("a divergence that is weighed: it is exactly 0"))
        level = float(np.median(half))
        high = half.max() > 10 * self.max_kl
        if level >= self.max_kl or high or rises(score(run, self.min_evaluations).values):
            return
        message = _MESSAGE.format(level=short_number(level), records=str(len(seen)))
        evidence = seen.evidence(0.5, 0.5, self.max_kl)
        yield Finding(self.code, self.severity, "", (evidence,), message, _ADVICE, {"level": level})
