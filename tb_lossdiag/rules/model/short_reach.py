"""LD720 short-reach."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.probes import answers
from tb_lossdiag.diagnosis.rule import Finding, Severity, Text
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "The end of a sequence does not know its start: when the first quarter of each was replaced, the outputs of the last quarter stayed the same bit for bit, in a copy in eval() at step {step}."
)
_ADVICE = Text("""If the model is to use all of its input, look for what cuts it short: a mask that lets each place see a few others only, an attention over the
wrong axis, too few convolutions. Each causal convolution sees `(kernel - 1) * dilation` places further back:

```python
kernel, dilations = 3, [1, 2, 4, 8]
reach = 1 + sum((kernel - 1) * dilation for dilation in dilations)
```

A bigram model, or attention in a window, is right as it is.""")


@dataclass(frozen=True)
class ShortReach:
    """The start of a sequence cannot reach its end.

    Why it matters: the longer part of each sequence costs time and memory, and teaches nothing about what depends on it.

    How it decides: only where a check-up saw that the targets are the model's own input, shifted by one. A copy in eval() is asked twice, once
    with the first quarter of each sequence replaced by another sample's, and the outputs of the last quarter change by no more than
    `max_change` of their standard deviation, which is rounding. Unit: 1.

    What to try first: the mask, the axis, the depth.

    Guards against: models that forget (a change is small then, but not 0); windows that are meant (an information).

    References: Luo et al. 2016, "Understanding the effective receptive field in deep convolutional neural networks" (arXiv 1701.04128).
    """

    code: ClassVar[str] = "LD720"
    name: ClassVar[str] = "short-reach"
    severity: ClassVar[Severity] = Severity.INFO
    title: ClassVar[Text] = Text("The start of a sequence does not reach its end")
    reads: ClassVar[tuple[Quantity, ...]] = ()
    may_read: ClassVar[tuple[Quantity, ...]] = (q.PROBE_REACH, q.PROBE_SKIPPED)
    explains: ClassVar[tuple[str, ...]] = ()

    #: of the outputs' standard deviation, 1; what has forgotten still has a trace
    max_change: float = 0.0

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding per watched model with a short reach."""
        for answer in answers(run, q.PROBE_REACH):
            if answer.value > self.max_change:
                continue
            evidence = answer.beyond(q.PROBE_REACH, self.max_change)
            yield Finding(
                self.code,
                self.severity,
                answer.name,
                (evidence,),
                _MESSAGE.format(step=str(answer.step)),
                _ADVICE,
            )
