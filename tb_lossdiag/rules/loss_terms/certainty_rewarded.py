"""LD413 certainty-rewarded."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.levels import median
from tb_lossdiag.analysis.reinforcement import is_reinforcement
from tb_lossdiag.diagnosis.rule import Evidence, Finding, NotEnough, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.records import Doubles, Table
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "`{term}` adds to the loss what the policy's entropy is (weight {weight}), so the loss falls as the policy gets certain: the entropy went from {start} to {end}."
)
_ADVICE = Text("""A bonus for entropy is to be subtracted from what is minimised; whoever adds it pays for certainty, and the policy stops trying other actions:

```python
loss = policy_loss + 0.5 * value_loss - 0.01 * entropy.mean()
```

Libraries that log `entropy_loss` mean minus the entropy: that one is added with a positive weight.""")
_NAME = re.compile(r"(?<![a-z])entropy(?![a-z])")
_OTHER = re.compile(r"cross entropy|relative entropy")
_FIRST = 3
_SUM = 0.01
"""Relative difference of the loss from the sum of its terms; rounding, and a term that nobody named."""


@dataclass(frozen=True)
class CertaintyRewarded:
    """The bonus for entropy has the wrong sign.

    Why it matters: the policy is paid for being sure before it knows anything, settles on whatever it tried first, and no longer explores.

    How it decides: in reinforcement learning, a term named entropy whose contribution, weight x value, is above 0 in all records, at least
    `min_records`, where the loss is the sum of its terms; and its value ends at `max_left` of its start or less. Unit: 1.

    What to try first: the other sign.

    Guards against: entropies that are minimised on purpose outside of reinforcement learning; a term whose weight was given with another
    sign than it has in the loss (LD403); a policy that becomes certain by what it has learned, with the right sign.

    References: Mnih et al. 2016 (arXiv 1602.01783), section 4, on the entropy bonus; LuEE-C/PPO-Keras issue 4.
    """

    code: ClassVar[str] = "LD413"
    name: ClassVar[str] = "certainty-rewarded"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("Certainty is rewarded")
    reads: ClassVar[tuple[Quantity, ...]] = (q.LOSS, q.LOSS_TERM, q.LOSS_WEIGHT)
    may_read: ClassVar[tuple[Quantity, ...]] = (q.EXTRA, q.CALL_TARGET_MEAN, q.CALL_TARGET_STD)
    explains: ClassVar[tuple[str, ...]] = ("LD402",)

    #: records; a policy's entropy falls slowly
    min_records: int = 20
    #: share of the entropy at the start, 1; policies that learn keep a fifth and more for long
    max_left: float = 0.1

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding per term that is an entropy with the wrong sign."""
        value, weight = run.aligned(q.LOSS_TERM, q.LOSS_WEIGHT)
        names = [name for name in value.columns if _is_entropy(name)]
        if not names or len(value) < self.min_records or not is_reinforcement(run):
            raise NotEnough(
                Text("at least {least} records of a policy's entropy among the terms").format(
                    least=self.min_records
                )
            )
        if _adds_up(run, value, weight):
            for name in names:
                yield from self._judge(value, weight, name)

    def _judge(self, value: Table, weight: Table, name: str) -> Iterator[Finding]:
        values = value.column(name).astype(np.float64)
        weights = weight.column(name).astype(np.float64)
        sizes = np.abs(values)
        start, end = float(median(sizes[:_FIRST])), float(median(sizes[-_FIRST:]))
        if not (values * weights > 0).all() or not end <= self.max_left * start:
            return
        message = _MESSAGE.format(
            term=name,
            weight=short_number(float(weights[-1])),
            start=short_number(start),
            end=short_number(end),
        )
        ends = int(value.steps[0]), int(value.steps[-1])
        bound = self.max_left * float(np.sign(values[-1])) * start
        evidence = Evidence(q.LOSS_TERM.name, name, *ends, float(values[-1]), bound)
        numbers = {"start": start, "end": end}
        yield Finding(self.code, self.severity, name, (evidence,), message, _ADVICE, numbers)


def _is_entropy(name: str) -> bool:
    words = name.lower().replace("_", " ")
    return bool(_NAME.search(words)) and not _OTHER.search(words)


def _adds_up(run: Run, value: Table, weight: Table) -> bool:
    """Whether the loss is the sum of its terms, with the signs that they were given."""
    parts: Doubles = value.values.astype(np.float64) * weight.values
    said = run[q.LOSS].at(value.steps)[:, 0].astype(np.float64)
    size = np.abs(parts).sum(axis=1)
    return bool(median(np.abs(parts.sum(axis=1) - said) / np.maximum(size, 1e-30)) <= _SUM)
