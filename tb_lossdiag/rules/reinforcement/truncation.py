"""LDR09 truncation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.signals import percent, signal
from tb_lossdiag.diagnosis.rule import Finding, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "Over the last quarter of {records} records {share}% of the answers were cut off at the longest length{length}: they are graded without their end."
)
_LENGTH = Text(" (their mean length was {early} tokens at first and is {late} now)")
_NOTHING = Text("")
_ADVICE = Text("""Read a few that were cut off.

- They were on their way: a longer `max_completion_length` (`max_response_length`), or answers that are cut off taken out of the loss
  (`mask_truncated_completions`, DAPO's overlong filtering).
- They never end: the end token is missing from the template or masked out of the loss, or the model repeats itself.
- They grow step by step without getting better: length itself is paid, see LDR10.""")


@dataclass(frozen=True)
class Truncation:
    """Many answers reach the longest length and are graded without their end.

    Why it matters: a right answer that is cut off counts as wrong, and teaches the model the opposite.

    How it decides: the median share over the last quarter of the records is at least `min_share` (a warning) or `min_most` (an error), and higher by
    `min_rise` than over the first tenth; else it is an information. Unit: share of answers.

    What to try first: read answers that were cut off.

    Guards against: the odd answer that runs on; a run that has just begun; answers that are all meant to have one length.

    References: Yu et al. 2025, DAPO (arXiv 2503.14476), overlong filtering; TRL's `completions/clipped_ratio`; public GRPO runs in which every answer
    was cut off.
    """

    code: ClassVar[str] = "LDR09"
    name: ClassVar[str] = "truncation"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("Answers are graded unfinished")
    reads: ClassVar[tuple[Quantity, ...]] = (q.TRUNCATED_SHARE, q.REWARD)
    may_read: ClassVar[tuple[Quantity, ...]] = (q.ANSWER_LENGTH,)
    explains: ClassVar[tuple[str, ...]] = ("LDR01", "LDR13")

    #: share of answers, 1; rldoctor's upper bound
    min_share: float = 0.15
    #: share of answers, 1; most of what is graded has no end
    min_most: float = 0.5
    #: share of answers, 1; what was so from the start may be meant: answers of one length
    min_rise: float = 0.1
    #: records of the share
    min_records: int = 20

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield one finding for the run."""
        seen = signal(run, q.TRUNCATED_SHARE, self.min_records)
        signal(run, q.REWARD, self.min_records)
        late = seen.late
        if late < self.min_share:
            return
        message = _MESSAGE.format(
            records=str(len(seen)), share=percent(late), length=self._length(run)
        )
        severity = Severity.ERROR if late >= self.min_most else self.severity
        if late - seen.early < self.min_rise:
            severity = Severity.INFO
        evidence = seen.evidence(0.75, 0.25, self.min_share)
        yield Finding(self.code, severity, "", (evidence,), message, _ADVICE, {"share": late})

    def _length(self, run: Run) -> Text:
        if q.ANSWER_LENGTH not in run:
            return _NOTHING
        length = signal(run, q.ANSWER_LENGTH, self.min_records)
        return _LENGTH.format(early=short_number(length.early), late=short_number(length.late))
