"""LD616 gradient-reset-before-step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import at_steps, columns, too_few
from tb_lossdiag.diagnosis.rule import Evidence, Finding, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "In {count} of {checks} check-ups `backward()` left gradients (norm {norm}), and the step found none: exactly 0."
)
_ADVICE = Text("""Something resets the gradients between `backward()` and `step()`. The learning rate has nothing to do with it. The order is

```python
optimizer.zero_grad()
loss.backward()
optimizer.step()
```

Look between `backward()` and `step()` for `zero_grad()`, also of the model or in a helper, a hook or a callback; for `.grad = None`; and
for a clip whose bound is 0.""")


@dataclass(frozen=True)
class GradientResetBeforeStep:
    """The gradients are gone when the step is taken.

    Why it matters: the step has nothing to go by. The parameters stay, or only momentum and weight decay move them.

    How it decides: the gradient when the step begins must be the one that backward left, but for an unscaling or a clip. In at least
    `min_check_ups` check-ups and more than half of them its norm is exactly 0, where backward left more. An exact 0 is never small. Unit:
    check-ups.

    What to try first: move `optimizer.zero_grad()` in front of `backward()`.

    Guards against: gradients that are 0 after backward already (LD205); a loss without a path to the parameters (LD208); a batch that is
    skipped now and then.

    References: PyTorch, "Optimizing Model Parameters" tutorial (zero_grad, backward, step).
    """

    code: ClassVar[str] = "LD616"
    name: ClassVar[str] = "gradient-reset-before-step"
    severity: ClassVar[Severity] = Severity.ERROR
    title: ClassVar[Text] = Text("Gradients are reset before the step")
    reads: ClassVar[tuple[Quantity, ...]] = (q.BACKWARD_NORM, q.STEP_NORM)
    may_read: ClassVar[tuple[Quantity, ...]] = ()
    explains: ClassVar[tuple[str, ...]] = (
        "LD104", "LD106", "LD109", "LD204", "LD205", "LD307", "LD308", "LD523", "LD602", "LD605", "LD722",
    )  # fmt: skip

    #: check-ups; a single batch may be skipped on purpose
    min_check_ups: int = 2

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding per watched model whose steps find no gradient."""
        judged = False
        for column, steps, left in columns(run, q.BACKWARD_NORM):
            found = at_steps(run, q.STEP_NORM, steps, column)
            known = np.isfinite(found)
            judged |= bool(known.sum() >= self.min_check_ups)
            gone = known & (found == 0) & (left > 0)
            if gone.sum() >= self.min_check_ups and 2 * gone.sum() > known.sum():
                at = steps[gone]
                evidence = Evidence(q.STEP_NORM.name, column, int(at[0]), int(at[-1]), 0.0, 0.0)
                norm = float(np.median(left[gone]))
                yield self._finding(evidence, int(gone.sum()), int(known.sum()), norm)
        if not judged:
            raise too_few(self.min_check_ups, Text("check-ups with a backward pass"))

    def _finding(self, evidence: Evidence, count: int, checks: int, norm: float) -> Finding:
        message = _MESSAGE.format(count=str(count), checks=str(checks), norm=short_number(norm))
        numbers = {"check_ups": count, "norm": norm}
        return Finding(
            self.code, self.severity, evidence.column, (evidence,), message, _ADVICE, numbers
        )
