"""LD530 focus-of-mean."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import columns
from tb_lossdiag.analysis.loss_calls import BINARY, CLASSES, calls
from tb_lossdiag.diagnosis.rule import Evidence, Finding, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "In {checks} check-ups the focal factor was made of the mean over {samples} samples: it is one number for all of the batch, so hard samples count no more than easy ones."
)
_ADVICE = Text("""The factor belongs to each sample, so ask for the losses one by one and take the mean at the end:

```python
losses = torch.nn.functional.cross_entropy(model(x), target, reduction="none")
focal = ((1 - torch.exp(-losses)) ** 2 * losses).mean()
```

`exp(-loss)` is the right answer's probability only where the loss has no class weights: multiply with these afterwards.""")


@dataclass(frozen=True)
class FocusOfMean:
    """A focal factor is made of the batch's mean loss, not of each sample's.

    Why it matters: a focal loss makes samples that are right already count less. Of the mean it is one factor for all: the gradient keeps
    its direction and is only scaled, ever smaller while the loss falls. Rare classes are as drowned as they were.

    How it decides: in at least `min_checks` check-ups the mean of a loss over several samples was multiplied with a power of
    1 - exp(-that mean), on the way to what is backpropagated. Unit: check-ups.

    What to try first: `reduction="none"` in the cross-entropy.

    Guards against: focal losses of each sample; batches of one; several means with a factor each, which weigh tasks or classes against each other; exponentials of a learned variance, which are made of a parameter.

    References: Lin et al. 2017, Focal Loss for Dense Object Detection (arXiv 1708.02002), equation 4; foamliu/InsightFace-v2 pull request
    39; kaidic/LDAM-DRW issue 6.
    """

    code: ClassVar[str] = "LD530"
    name: ClassVar[str] = "focus-of-mean"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("A focal factor of the batch's mean")
    reads: ClassVar[tuple[Quantity, ...]] = ()
    may_read: ClassVar[tuple[Quantity, ...]] = (q.FOCUS_OF_MEAN, q.CALL_VALUE)
    explains: ClassVar[tuple[str, ...]] = ("LD109", "LD509", "LD523", "LD602")

    #: check-ups; one may be a trial
    min_checks: int = 3

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding if the factor is the batch's."""
        if q.FOCUS_OF_MEAN not in run:
            calls(run, (*CLASSES, *BINARY))
        for column, steps, samples in columns(run, q.FOCUS_OF_MEAN):
            if len(steps) >= self.min_checks:
                count, ends = float(np.median(samples)), (int(steps[0]), int(steps[-1]))
                words = {"checks": str(len(steps)), "samples": short_number(count)}
                evidence = Evidence(q.FOCUS_OF_MEAN.name, column, *ends, count, 1.0)
                message, numbers = _MESSAGE.format(**words), {"samples": count}
                yield Finding(
                    self.code, self.severity, column, (evidence,), message, _ADVICE, numbers
                )
