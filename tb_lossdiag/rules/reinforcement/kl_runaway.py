"""LDR04 kl-runaway."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.signals import is_flat, rises, score, signal
from tb_lossdiag.diagnosis.rule import Finding, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "The divergence from the reference rose from {early} to {end} nats{flat}: what the model could do before the training is being given up."
)
_FLAT = Text(", while nothing is gained any more")
_NOTHING = Text("")
_ADVICE = Text("""Read twenty answers of now beside those of the reference: a reward that is cheated shows there first.

- A larger weight of the divergence (`beta`, `kl_coef`), or one that adapts to a target.
- A smaller learning rate; fewer passes over the same answers.
- Go on from the last checkpoint whose held-out score was good.""")

_EVALUATIONS = 8
"""Of a held-out score, from which it is asked instead of the reward."""


@dataclass(frozen=True)
class KlRunaway:
    """The divergence between policy and reference grows without a bound.

    Why it matters: beyond some distance the reward goes on rising while answers get worse, and other abilities are lost.

    How it decides: the level of the last tenth is at least `min_ratio` of that of the first tenth, or of the first record where that is less, and at least
    `min_kl` nats, the second half rises beyond chance, and the score does not rise over it. From `min_most` nats on it is an error, and a rising reward is no
    excuse; it need not rise any more there, if the score has not risen over the whole run. Unit: nats per token.

    What to try first: weigh the divergence more, or lower the rate.

    Guards against: a divergence that grows with the reward and stays small; one that settles while the reward has risen; a run without a reference, which logs none or 0.

    References: Gao et al. 2022, Scaling laws for reward model overoptimization (arXiv 2210.10760); Stiennon et al. 2020, Learning to summarize
    from human feedback (arXiv 2009.01325), figure 5; huggingface/trl issue 3015.
    """

    code: ClassVar[str] = "LDR04"
    name: ClassVar[str] = "kl-runaway"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("The policy runs away from its reference")
    reads: ClassVar[tuple[Quantity, ...]] = (q.REFERENCE_KL, q.REWARD)
    may_read: ClassVar[tuple[Quantity, ...]] = (q.HELD_OUT_SCORE,)
    explains: ClassVar[tuple[str, ...]] = ("LDR11",)

    #: times the first level, 1; rlprobe's
    min_ratio: float = 8.0
    #: nats per token; below it answers read like the reference's
    min_kl: float = 0.5
    #: nats per token; at e^2 times another probability for each token no reward is an excuse
    min_most: float = 2.0
    #: records of the divergence
    min_records: int = 20

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield one finding for the run."""
        seen = signal(run, q.REFERENCE_KL, self.min_records)
        signal(run, q.REWARD, self.min_records)
        early, end = max(min(seen.early, float(seen.values[0])), 0.0), seen.end
        flat, most = is_flat(run), end >= self.min_most
        if end < max(self.min_ratio * early, self.min_kl) or not (flat or most):
            return
        there = most and not rises(score(run, _EVALUATIONS).values)
        if not there and not rises(seen.part(0.5, 1.0)):
            return
        message = _MESSAGE.format(
            early=short_number(early), end=short_number(end), flat=_FLAT if flat else _NOTHING
        )
        evidence = seen.evidence(0.5, 0.1, max(self.min_ratio * early, self.min_kl))
        severity = Severity.ERROR if most else self.severity
        numbers = {"early": early, "end": end}
        yield Finding(self.code, severity, "", (evidence,), message, _ADVICE, numbers)
