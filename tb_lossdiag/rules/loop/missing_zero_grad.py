"""LD606 missing-zero-grad."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import at_steps, columns, too_few
from tb_lossdiag.diagnosis.judged import with_judged
from tb_lossdiag.diagnosis.rule import Evidence, Finding, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.records import Doubles, Steps
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "In {count} of {all} check-ups `backward()` began with the gradients that the step before had already used, with a norm of {carried} at first and {after} in the end."
)
_ADVICE = Text("""Reset the gradients once per step:

```python
optimizer.zero_grad()
loss.backward()
optimizer.step()
```

If you accumulate on purpose, reset after each `optimizer.step()`: a gradient that was used once must not be used again. Each step so
far has moved along the sum of all gradients since the start, so the learning rate may be too small or too large afterwards: choose it
anew.""")


_JUDGED = Text("share of the check-ups so far in which gradients piled up")


@dataclass(frozen=True)
class MissingZeroGrad:
    """The gradients are never reset, so each step moves along the sum of all before.

    Why it matters: the sum grows, points to where the loss was long ago, and makes the training oscillate or diverge.

    How it decides: nothing reset the gradients between a step and the next backward, and what that backward found was at least
    `min_carried` of what it left; in more than `min_share` of the check-ups with one backward per step, and in `min_check_ups` of them
    at least. Unit: share of check-ups.

    What to try first: `optimizer.zero_grad()` before `backward()`.

    Guards against: accumulation over micro-batches (several backwards between steps are left out, also because another model's loss
    may reach these parameters first, as a generator's does the discriminator's); a reset of another kind; the first step.

    References: PyTorch, "Zeroing out gradients in PyTorch" recipe; `Optimizer.zero_grad`.
    """

    code: ClassVar[str] = "LD606"
    name: ClassVar[str] = "missing-zero-grad"
    severity: ClassVar[Severity] = Severity.ERROR
    title: ClassVar[Text] = Text("Gradients are not reset between steps")
    reads: ClassVar[tuple[Quantity, ...]] = (q.CARRIED_NORM,)
    may_read: ClassVar[tuple[Quantity, ...]] = (q.ZERO_GRADS, q.BACKWARDS, q.FIRST_BACKWARD_NORM)
    explains: ClassVar[tuple[str, ...]] = (
        "LD101", "LD102", "LD103", "LD104", "LD105", "LD202", "LD203", "LD301", "LD306", "LD523", "LD601", "LD608", "LD701", "LD704",
    )  # fmt: skip

    #: norm before the backward over the norm after it, 1; less would hardly matter
    min_carried: float = 0.1
    #: share of check-ups, 1; the loop does the same in each
    min_share: float = 0.5
    #: check-ups; one or two can belong to the loop's beginning
    min_check_ups: int = 3

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding per watched model whose gradients pile up."""
        judged = False
        for column, steps, carried in columns(run, q.CARRIED_NORM):
            single = at_steps(run, q.BACKWARDS, steps, column, 1.0) == 1
            if single.sum() >= self.min_check_ups:
                judged = True
                yield from self._judge(run, column, steps[single], carried[single])
        if not judged:
            raise too_few(self.min_check_ups, Text("check-ups with one backward per step"))

    def _judge(self, run: Run, column: str, steps: Steps, carried: Doubles) -> Iterator[Finding]:
        reset = at_steps(run, q.ZERO_GRADS, steps, column, 0.0) >= 1
        after = at_steps(run, q.FIRST_BACKWARD_NORM, steps, column)
        large = (carried > 0) & ~(carried < self.min_carried * after)
        rows = np.flatnonzero(large & ~reset)
        share = len(rows) / len(steps)
        if len(rows) < self.min_check_ups or share <= self.min_share:
            return
        ends = int(steps[rows[0]]), int(steps[rows[-1]])
        message = _MESSAGE.format(
            count=str(len(rows)),
            all=str(len(steps)),
            carried=short_number(float(carried[rows[0]])),
            after=short_number(float(carried[rows[-1]])),
        )
        shares = np.cumsum(large & ~reset) / np.arange(1, len(steps) + 1)
        piece = Evidence(q.CARRIED_NORM.name, column, *ends, share, self.min_share)
        evidence = with_judged(piece, _JUDGED, steps, shares)
        numbers = {"check_ups": len(rows), "share": share}
        yield Finding(self.code, self.severity, column, (evidence,), message, _ADVICE, numbers)
