"""LD631 gradients-of-another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import at_steps, columns, not_recorded, too_few
from tb_lossdiag.diagnosis.judged import with_judged
from tb_lossdiag.diagnosis.rule import Evidence, Finding, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "In {count} of {all} check-ups up to step {step} the backward pass of {model} added to the gradients that the pass for another optimizer's step had left in its parameters, with a norm of {left}; at its step it was {end}."
)
_JUDGED = Text("share of the check-ups so far in which another's gradients were left")
_ADVICE = Text("""Reset right before the passes whose gradients a step is to use, not only after it: what the other loss leaves here comes in between.

```python
optimizer.zero_grad()
loss.backward()
optimizer.step()
```

Or let the other loss not reach these parameters at all, which is cheaper, too:

```python
model.requires_grad_(False)  # while the other one's loss is computed and backpropagated
...
model.requires_grad_(True)
```""")


@dataclass(frozen=True)
class GradientsOfAnother:
    """A model steps along what another model's loss has left in its gradients.

    Why it matters: a generator's loss asks the discriminator to take fakes for real, a policy's loss asks the critic for higher values. What
    it leaves in the other's `.grad` is added to that one's own gradient, so each player is trained for the other's aim as well.

    How it decides: the last pass before another watched optimizer's step had reached these parameters, and when the next pass began, one of
    another line or one that does not reach that optimizer's parameters, what was in their gradients had not been reset and was at least `min_left` of what their own step begins with; in
    `min_check_ups` check-ups at least and more than `min_share` of those in which another's step lay between two passes. Unit: 1.

    What to try first: `zero_grad()` right before the own `backward()`.

    Guards against: passes of one line, whose gradients may add up over several steps of the other on purpose; losses that don't reach these
    parameters; one pass that both optimizers use; a reset of any kind.

    References: PyTorch, "DCGAN Tutorial"; Goodfellow et al. 2014 (arXiv 1406.2661, algorithm 1).
    """

    code: ClassVar[str] = "LD631"
    name: ClassVar[str] = "gradients-of-another"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("Another model's loss is left in the gradients")
    reads: ClassVar[tuple[Quantity, ...]] = ()
    may_read: ClassVar[tuple[Quantity, ...]] = (q.LEFT_NORM, q.BACKWARD_NORM)
    explains: ClassVar[tuple[str, ...]] = (
        "LD101", "LD102", "LD103", "LD104", "LD105", "LD202", "LD203", "LD523", "LD601", "LD608", "LD709",
    )  # fmt: skip

    #: norm of what was left over the norm at the step, 1; less would hardly matter
    min_left: float = 0.1
    #: share of check-ups, 1; the loop does the same in each
    min_share: float = 0.5
    #: check-ups; one or two can belong to the loop's beginning
    min_check_ups: int = 3

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding per watched model that steps along another's gradients."""
        if q.LEFT_NORM not in run:
            raise not_recorded(q.LEFT_NORM)
        known = [
            each for each in columns(run, q.LEFT_NORM) if len(each.steps) >= self.min_check_ups
        ]
        if not known:
            raise too_few(
                self.min_check_ups,
                Text("check-ups with another optimizer's step between two passes"),
            )
        for column, steps, left in known:
            ends = at_steps(run, q.BACKWARD_NORM, steps, column)
            large = (left > 0) & ~(left < self.min_left * ends)
            hits = np.flatnonzero(large)
            share = len(hits) / len(steps)
            if len(hits) >= self.min_check_ups and share > self.min_share:
                row = hits[-1]
                message = _MESSAGE.format(
                    count=str(len(hits)),
                    all=str(len(steps)),
                    step=str(steps[row]),
                    model=f"`{column}`" if column else Text("the model"),
                    left=short_number(float(left[row])),
                    end=short_number(float(ends[row])),
                )
                between = int(steps[hits[0]]), int(steps[row])
                piece = Evidence(q.LEFT_NORM.name, column, *between, share, self.min_share)
                shares = np.cumsum(large) / np.arange(1, len(steps) + 1)
                evidence = with_judged(piece, _JUDGED, steps, shares)
                numbers = {"check_ups": len(hits), "share": share, "left": float(left[row])}
                yield Finding(
                    self.code, self.severity, column, (evidence,), message, _ADVICE, numbers
                )
