"""LDR01 dead-groups."""

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
    "In {share}% of the groups of the last third of {records} records all answers were rewarded alike, and an advantage within a group is 0 then: they were made and bring no gradient.{reward}"
)
_REWARD = Text(" The reward was {early} at first and is {late} now.")
_NOTHING = Text("")
_ADVICE = Text("""Look at the rewards of twenty groups before changing anything.

- All answers are right: the prompts are too easy by now. Leave out those that are always solved, take harder ones.
- All are wrong: they are too hard, or the grader is. Grade a few answers by hand: a parser that never matches looks the same.
- More answers in each group, or a higher sampling temperature, make groups differ; sampling anew until a group differs (DAPO) costs
  answers and keeps the size of the batch.""")


@dataclass(frozen=True)
class DeadGroups:
    """Groups of answers get equal rewards, so their advantages are 0.

    Why it matters: answers are the dearest part of such a training, and these buy nothing; the loss does not show it.

    How it decides: the median share of groups without spread over the last third of the records is at least `min_share` (a warning) or
    `min_most` (an error); from `min_told` on it is an information, as is everything before `min_records` records. Unit: share of groups.

    What to try first: look at what was rewarded in such groups.

    Guards against: a few groups of that kind, which every batch has; a run that has just begun.

    References: Yu et al. 2025, DAPO (arXiv 2503.14476), dynamic sampling; TRL's `frac_reward_zero_std`; a share f costs 1/(1-f) times as many
    answers.
    """

    code: ClassVar[str] = "LDR01"
    name: ClassVar[str] = "dead-groups"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("Groups of answers are all rewarded alike")
    reads: ClassVar[tuple[Quantity, ...]] = (q.DEAD_GROUPS,)
    may_read: ClassVar[tuple[Quantity, ...]] = (q.REWARD,)
    explains: ClassVar[tuple[str, ...]] = ("LD205", "LDR14")

    #: share of groups, 1; above it every third answer is made for nothing
    min_told: float = 0.3
    #: share of groups, 1; two answers for each that counts
    min_share: float = 0.5
    #: share of groups, 1; four answers for each that counts
    min_most: float = 0.75
    #: records; before, prompts and policy have hardly met
    min_records: int = 50

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield one finding for the run."""
        seen = signal(run, q.DEAD_GROUPS, self.min_records // 5)
        late = seen.level(2 / 3, 1.0)
        if late < self.min_told:
            return
        severity = Severity.INFO
        if len(seen) >= self.min_records and late >= self.min_share:
            severity = Severity.ERROR if late >= self.min_most else Severity.WARNING
        message = _MESSAGE.format(
            share=percent(late),
            records=str(len(seen)),
            reward=_rewarded(run, self.min_records // 5),
        )
        evidence = seen.evidence(2 / 3, 1 / 3, self.min_share)
        yield Finding(self.code, severity, "", (evidence,), message, _ADVICE, {"share": late})


def _rewarded(run: Run, least: int) -> Text:
    if q.REWARD not in run:
        return _NOTHING
    reward = signal(run, q.REWARD, least)
    return _REWARD.format(early=short_number(reward.early), late=short_number(reward.late))
