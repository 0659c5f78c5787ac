"""LDR12 one-reward-term."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.signals import percent
from tb_lossdiag.diagnosis.rule import Evidence, Finding, NotEnough, Severity, Text
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.run import Run

_SIDE = re.compile(
    r"(?<![a-z])(?:format|length|len|tags?|style|xml|repetition|penalty|language|structure|brevity|count)(?![a-z])"
)
"""Names of what an answer should look like, not of what it should say."""
_MESSAGE = Text(
    "`{term}` makes up {share}% of the variance of the {terms} reward terms over the last three quarters of {records} records: what an answer looks like decides, not what it says."
)
_ADVICE = Text("""Compare the spread of each term, not its weight: what is always the same teaches nothing, however much it is worth.

- Weigh `{term}` less, or take it out once it has been learned.
- The other terms hardly vary: look whether their grader ever gives points, and whether the prompts are too hard or too easy.
- Let a wrong form cost the points of a right answer instead of earning some of its own.""")


@dataclass(frozen=True)
class OneRewardTerm:
    """One of several reward terms, one of form, has nearly all of the reward's variance.

    Why it matters: an advantage follows what varies, so the model learns the form and nothing else.

    How it decides: over the last three quarters of the records the variance of a term whose name is of form (format, length, tags, style) is at least
    `min_share` (a warning) or `min_most` (an error) of the sum over all terms. Unit: share of the variance.

    What to try first: weigh it less.

    Guards against: the beginning, where the form is learned first; a term of the task itself; terms with weights of their own, whose means are
    compared as they are logged.

    References: TRL, GRPOTrainer, `rewards/…/mean`; DeepSeek-AI 2025, DeepSeek-R1 (arXiv 2501.12948), accuracy and format rewards.
    """

    code: ClassVar[str] = "LDR12"
    name: ClassVar[str] = "one-reward-term"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("A side term owns the reward")
    reads: ClassVar[tuple[Quantity, ...]] = (q.REWARD_TERM,)
    may_read: ClassVar[tuple[Quantity, ...]] = ()
    explains: ClassVar[tuple[str, ...]] = ("LDR13", "LDR19")

    #: share of the variance of all terms, 1
    min_share: float = 0.7
    #: share of the variance of all terms, 1
    min_most: float = 0.9
    #: records with all terms; fewer have too little variance of their own
    min_records: int = 150

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield one finding for the run."""
        table = run[q.REWARD_TERM]
        known = np.isfinite(table.values).all(axis=1)
        values, steps = table.values[known].astype(np.float64), table.steps[known]
        if len(table.columns) < 2:  # noqa: PLR2004  (one is all of the reward)
            raise NotEnough(Text("two or more reward terms"))
        if len(values) < self.min_records:
            raise NotEnough(
                Text("at least {least} records of all reward terms").format(least=self.min_records)
            )
        later = values[len(values) // 4 :]
        spread = later.var(axis=0)
        place = int(np.argmax(spread))
        term, share = table.columns[place], float(spread[place] / max(spread.sum(), 1e-30))
        if share < self.min_share or not _SIDE.search(term.lower().replace("_", " ")):
            return
        message = _MESSAGE.format(
            term=term, share=percent(share), terms=str(len(spread)), records=str(len(values))
        )
        ends = int(steps[len(values) // 4]), int(steps[-1])
        evidence = Evidence(q.REWARD_TERM.name, term, *ends)
        severity = Severity.ERROR if share >= self.min_most else self.severity
        advice = _ADVICE.format(term=term)
        yield Finding(self.code, severity, term, (evidence,), message, advice, {"share": share})
