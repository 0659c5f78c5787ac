"""LDR17 repetition."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.signals import percent, rises, signal
from tb_lossdiag.diagnosis.rule import Finding, Severity, Text
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "The share of an answer that repeats itself rose from {early}% to {late}%, and rises still."
)
_ADVICE = Text("""Read a few answers from the end of the run.

- A repetition earns reward: a penalty on repeated n-grams, or a grader that looks at the end only.
- The policy has left its reference: weigh the divergence more, lower the rate.
- Sampling: a temperature that is too low repeats by itself.""")


@dataclass(frozen=True)
class Repetition:
    """Answers go round in circles more and more.

    Why it matters: loops fill answers up to the longest length and are learned quickly.

    How it decides: the level of the last quarter is at least `min_share`, that of the first tenth was at most `max_early`, and the second half rises
    beyond chance. Unit: share of an answer.

    What to try first: read answers from the end.

    Guards against: text that repeats by its nature, as tables and code do from the start.

    References: Holtzman et al. 2020, The curious case of neural text degeneration (arXiv 1904.09751).
    """

    code: ClassVar[str] = "LDR17"
    name: ClassVar[str] = "repetition"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("Answers repeat themselves")
    reads: ClassVar[tuple[Quantity, ...]] = (q.REPETITION, q.REWARD)
    may_read: ClassVar[tuple[Quantity, ...]] = ()
    explains: ClassVar[tuple[str, ...]] = ("LDR09", "LDR10")

    #: share of an answer, 1; rlprobe's
    min_share: float = 0.3
    #: share of an answer, 1; what repeats from the start is its nature
    max_early: float = 0.15
    #: records of the share
    min_records: int = 20

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield one finding for the run."""
        seen = signal(run, q.REPETITION, self.min_records)
        signal(run, q.REWARD, self.min_records)
        early, late = seen.early, seen.late
        grows = late >= self.min_share and early <= self.max_early
        if not grows or not rises(seen.part(0.5, 1.0)):
            return
        message = _MESSAGE.format(early=percent(early), late=percent(late))
        evidence = seen.evidence(0.5, 0.25, self.min_share)
        numbers = {"early": early, "late": late}
        yield Finding(self.code, self.severity, "", (evidence,), message, _ADVICE, numbers)
