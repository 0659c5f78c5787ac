"""LDR14 zero-update-steps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.curve import row_at
from tb_lossdiag.analysis.signals import percent, signal
from tb_lossdiag.diagnosis.rule import Finding, Severity, Text
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "The gradient was exactly 0 in {share}% of the last half of {records} records: answers were made and graded, and nothing was learned of them."
)
_ADVICE = Text("""A gradient of exactly 0 means that every advantage of the batch was 0, or that all of it was masked or clipped.

- Look at the rewards of such a batch: equal ones within each group give no advantage (see LDR01).
- More prompts in a batch, more answers in a group, prompts of middling difficulty.
- All answers cut off and masked: a longer limit.""")


@dataclass(frozen=True)
class ZeroUpdateSteps:
    """Many optimizer steps of an agent have a gradient of exactly 0.

    Why it matters: each of them has cost a batch of answers.

    How it decides: the share of records of the second half whose gradient norm is exactly 0 is at least `min_share` (a warning) or `min_most` (an
    error). Unit: share of records.

    What to try first: look at the rewards of such a batch.

    Guards against: single empty batches; runs without a reward (LD205 judges those).

    References: public GRPO runs in which the share rose from 40% to 93%; Yu et al. 2025, DAPO (arXiv 2503.14476), dynamic sampling.
    """

    code: ClassVar[str] = "LDR14"
    name: ClassVar[str] = "zero-update-steps"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("Steps of the agent change nothing")
    reads: ClassVar[tuple[Quantity, ...]] = (q.GLOBAL_NORM, q.REWARD)
    may_read: ClassVar[tuple[Quantity, ...]] = ()
    explains: ClassVar[tuple[str, ...]] = ("LDR19",)

    #: share of records, 1
    min_share: float = 0.4
    #: share of records, 1
    min_most: float = 0.7
    #: records of the gradient norm
    min_records: int = 20

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield one finding for the run."""
        seen = signal(run, q.GLOBAL_NORM, self.min_records)
        signal(run, q.REWARD, self.min_records)
        begin = row_at(seen.steps, 0.5)
        share = float((seen.values[begin:] == 0).mean())
        if share < self.min_share:
            return
        message = _MESSAGE.format(share=percent(share), records=str(len(seen)))
        severity = Severity.ERROR if share >= self.min_most else self.severity
        evidence = seen.seen(begin / len(seen), 0.0, 0.0)
        yield Finding(self.code, severity, "", (evidence,), message, _ADVICE, {"share": share})
