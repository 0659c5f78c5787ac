"""LD532 advantage-of-two-scales."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import Sighting, columns, too_few
from tb_lossdiag.analysis.levels import Bools
from tb_lossdiag.diagnosis.rule import Evidence, Finding, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "In {count} of {checks} check-ups the advantage was returns less values in two scales: the critic's targets count {factor} times what the critic's own answers count (steps {start} to {end})."
)
_ADVICE = Text("""Take the critic's answer back to the scale of the returns before it is compared with them:

```python
answers = critic(seen).squeeze(-1)
values = answers * returns.std() + returns.mean()
advantage = (returns - values).detach()
critic_loss = ((answers - (returns - returns.mean()) / returns.std()) ** 2).mean()
```

Where mean and deviation are running ones, use the same for both lines. Who scales rewards instead needs neither.""")


@dataclass(frozen=True)
class AdvantageOfTwoScales:
    """Returns and values are compared in different scales.

    Why it matters: a critic takes the part of a return off that any action would have had. One that answers in another scale, because its
    targets were normed and the returns were not, takes off too little or too much: the advantage is mostly the return itself, so all
    that was done looks good, or bad, and the policy's gradient is noise.

    How it decides: numbers that weigh what the policy learns are exactly a times the targets of a squared or absolute loss less b times what
    is compared with them (least squares; what is left is below 3e-5 of the numbers' deviation). In at least `min_checks` check-ups,
    most of those that can tell and the last, a / b is `min_factor` or more, or as far below 1. Unit: 1.

    What to try first: undo the norm on the critic's answers before the subtraction.

    Guards against: advantages that are normed themselves, which changes a and b alike; estimates over several steps (GAE) whose targets are
    made of them; values of an older critic, and targets that follow answers too closely, which tell nothing.

    References: van Hasselt et al. 2016, Learning values across many orders of magnitude (arXiv 1602.07714), on undoing the norm;
    marlbenchmark/on-policy pull request 13.
    """

    code: ClassVar[str] = "LD532"
    name: ClassVar[str] = "advantage-of-two-scales"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("Returns less values in another scale")
    reads: ClassVar[tuple[Quantity, ...]] = ()
    may_read: ClassVar[tuple[Quantity, ...]] = (q.SCALES_APART,)
    explains: ClassVar[tuple[str, ...]] = ("LD104", "LD109", "LD523", "LDR15", "LDR19", "LDR20")

    #: a / b, 1; rounding moves it by a sixth at most, and a third of the returns' spread that is left in is small beside their noise
    min_factor: float = 1.5
    #: check-ups; running statistics begin anywhere
    min_checks: int = 3

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding if one of the two counts for more."""
        seen = [s for s in columns(run, q.SCALES_APART) if len(s.steps) >= self.min_checks]
        if not seen:
            raise too_few(
                self.min_checks, Text("check-ups that see an advantage made of a critic's answers")
            )
        for each in seen:
            far = np.maximum(each.values, 1 / each.values) >= self.min_factor
            if far.sum() >= self.min_checks and 2 * far.sum() > len(far) and far[-1]:
                yield self._finding(each, far)

    def _finding(self, each: Sighting, far: Bools) -> Finding:
        factor, at = float(np.median(each.values[far])), each.steps[far]
        message = _MESSAGE.format(
            count=str(int(far.sum())),
            checks=str(len(far)),
            factor=short_number(factor),
            start=str(int(at[0])),
            end=str(int(at[-1])),
        )
        evidence = Evidence(
            q.SCALES_APART.name, each.column, int(at[0]), int(at[-1]), factor, self.min_factor
        )
        numbers = {"factor": factor}
        return Finding(
            self.code, self.severity, each.column, (evidence,), message, _ADVICE, numbers
        )
