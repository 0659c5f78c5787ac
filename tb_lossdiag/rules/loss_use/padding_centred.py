"""LD533 padding-centred."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import columns, too_few
from tb_lossdiag.diagnosis.rule import Evidence, Finding, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "In {checks} check-ups the weights of the loss were centred over all places, padding included: those that count have a mean of {shift} of their standard deviations instead of 0."
)
_ADVICE = Text("""Take mean and deviation over the places that count:

```python
count = mask.sum()
mean = (advantages * mask).sum() / count
deviation = (((advantages - mean) ** 2 * mask).sum() / count).sqrt()
advantages = (advantages - mean) / (deviation + 1e-8) * mask
```

`advantages[mask.bool()]` does it as well. The loss is to be divided by `count`, too.""")


@dataclass(frozen=True)
class PaddingCentred:
    """Weights are centred by a mean that counts the padding.

    Why it matters: advantages are centred so that about as much becomes likelier as becomes less likely. The padding's zeros pull the mean
    towards 0, so nearly all that was written keeps a weight of one sign: the policy is told that all of it was good, more so the shorter
    the answers are.

    How it decides: numbers that weigh the loss and can't learn have a mean of 0 over all places (below 1e-4 of their deviation), a factor of 0 and 1
    lies on the same places, and where it is 0 all weights are one number other than 0. In at least `min_checks` check-ups and in most, those
    that count have a mean of `min_shift` of their standard deviations or more. Unit: standard deviations.

    What to try first: a masked mean.

    Guards against: weights centred over what counts, which are 0 on average there; one weight for each sequence, centred over sequences, which
    differs where nothing counts; padding that changes the mean little.

    References: NovaSky-AI/SkyRL issue 1305; verl and TRL: `masked_whiten`.
    """

    code: ClassVar[str] = "LD533"
    name: ClassVar[str] = "padding-centred"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("Weights are centred over padding")
    reads: ClassVar[tuple[Quantity, ...]] = ()
    may_read: ClassVar[tuple[Quantity, ...]] = (q.PADDING_CENTRED,)
    explains: ClassVar[tuple[str, ...]] = ("LDR10", "LDR19")

    #: standard deviations; with half of one, 69 % of normally distributed weights have one sign
    min_shift: float = 0.5
    #: check-ups; a few batches may be one-sided
    min_checks: int = 3

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding if what counts is not centred."""
        seen = [s for s in columns(run, q.PADDING_CENTRED) if len(s.steps) >= self.min_checks]
        if not seen:
            raise too_few(self.min_checks, Text("check-ups that see weights centred beside a mask"))
        for column, steps, shifts in seen:
            far = np.abs(shifts) >= self.min_shift
            if far.sum() >= self.min_checks and 2 * far.sum() > len(far):
                shift, ends = float(np.median(shifts[far])), (int(steps[0]), int(steps[-1]))
                words = {"checks": str(int(far.sum())), "shift": short_number(shift)}
                evidence = Evidence(q.PADDING_CENTRED.name, column, *ends, shift, self.min_shift)
                message, numbers = _MESSAGE.format(**words), {"shift": shift}
                yield Finding(
                    self.code, self.severity, column, (evidence,), message, _ADVICE, numbers
                )
