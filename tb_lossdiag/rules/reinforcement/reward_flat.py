"""LDR13 reward-flat."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.signals import Signal, percent, signal
from tb_lossdiag.diagnosis.rule import Finding, NotEnough, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.run import Run

_FELL = Text(
    "The spread of {what} fell from {early} to {late}, {share}% of what it was, while the mean reward stays at {reward}: answers can no longer be told apart."
)
_NEVER = Text(
    "The spread of {what} was 0 in {share}% of {records} records, while the mean reward stays at {reward}: answers cannot be told apart, and every advantage is 0."
)
_REWARDS, _ADVANTAGES = Text("the rewards"), Text("the advantages")
_ADVICE = Text("""Print the rewards of one batch together with the answers.

- All the same from the start: the grader never matches (a template, a regular expression, an exception that becomes 0), or always does.
- The mean is as high as it can be: the task is learned; take harder prompts, or stop.
- The answers are all the same: the policy has collapsed, go back to a checkpoint from before.""")


@dataclass(frozen=True)
class RewardFlat:
    """Rewards or advantages hardly differ any more.

    Why it matters: an advantage is a difference of rewards; without one there is nothing to learn from.

    How it decides: the level of the last quarter of the spread is at most `max_left` of that of the first tenth, or the spread is exactly 0 in at least
    `min_zero` of all records (an error). Unit: share of the first level; share of the records.

    What to try first: print rewards beside the answers.

    Guards against: a spread that shrinks as the task is learned, which leaves more than that; a single empty batch.

    References: Yu et al. 2025, DAPO (arXiv 2503.14476), section 3.2; modelscope/ms-swift issue 4547, huggingface/trl issue 3857 (rewards that are all
    equal).
    """

    code: ClassVar[str] = "LDR13"
    name: ClassVar[str] = "reward-flat"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("Rewards have no spread left")
    reads: ClassVar[tuple[Quantity, ...]] = (q.REWARD,)
    may_read: ClassVar[tuple[Quantity, ...]] = (q.REWARD_STD, q.ADVANTAGE_STD)
    explains: ClassVar[tuple[str, ...]] = ("LD205", "LDR01", "LDR14")

    #: share of the first level, 1
    max_left: float = 0.1
    #: share of the records, 1
    min_zero: float = 0.9
    #: records of the spread
    min_records: int = 20

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield one finding for the run."""
        reward = signal(run, q.REWARD, self.min_records)
        known = [each for each in (q.REWARD_STD, q.ADVANTAGE_STD) if each in run]
        if not known:
            raise NotEnough(Text("the spread of rewards or advantages"))
        for quantity in known:
            seen = signal(run, quantity, self.min_records)
            zero = float((seen.values == 0).mean())
            never = zero >= self.min_zero
            fell = seen.early > 0 and seen.late <= self.max_left * seen.early
            if never or fell:
                yield self._found(seen, reward, zero if never else None)
                return

    def _found(self, seen: Signal, reward: Signal, zero: float | None) -> Finding:
        what = _REWARDS if seen.quantity is q.REWARD_STD else _ADVANTAGES
        early, late = seen.early, seen.late
        words = {"what": what, "reward": short_number(reward.late)}
        if zero is None:
            message = _FELL.format(
                early=short_number(early),
                late=short_number(late),
                share=percent(late / early),
                **words,
            )
            evidence = seen.evidence(0.75, 0.25, self.max_left * early)
        else:
            message = _NEVER.format(share=percent(zero), records=str(len(seen)), **words)
            evidence = seen.seen(0.0, 0.0, 0.0)
        severity = self.severity if zero is None else Severity.ERROR
        return Finding(self.code, severity, "", (evidence,), message, _ADVICE, {"late": late})
