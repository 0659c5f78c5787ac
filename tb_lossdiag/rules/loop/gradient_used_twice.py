"""LD621 gradient-used-twice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import at_steps, columns
from tb_lossdiag.diagnosis.rule import Evidence, Finding, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "Of {looked} steps that were looked at, {reused} used gradients that the step before had used already: no backward pass came in between."
)
_ADVICE = Text("""Take one step per backward pass (or per accumulated batch). The second step is usually a call that was left in:

```python
loss.backward()
optimizer.step()
optimizer.zero_grad()
```

With a scaler, `scaler.step(optimizer)` is the step; an `optimizer.step()` beside it takes another, and skips the check for overflow. Through
Lightning, Accelerate or the Trainer, the framework takes the step.""")


@dataclass(frozen=True)
class GradientUsedTwice:
    """Several optimizer steps use the gradients of one backward pass.

    Why it matters: the second step goes on in a direction that was right before the first. The learning rate is twice what it seems,
    momentum and averages count the same gradient twice, and with a scaler the second step takes gradients that hold infinity, too.

    How it decides: one step in seven is looked at; in at least `min_reused` of them, and `min_share` of all, the gradients are the very
    tensors, unchanged, that the same optimizer's step before has used, and they are not zero.

    What to try first: remove the second call of `step`.

    Guards against: gradients that are filled without a backward pass (they change); closures; optimizers that share parameters and take
    turns (each is compared with its own steps); steps without any gradient.

    References: PyTorch, `torch.amp`, "Typical mixed precision training": `scaler.step` calls `optimizer.step`.
    """

    code: ClassVar[str] = "LD621"
    name: ClassVar[str] = "gradient-used-twice"
    severity: ClassVar[Severity] = Severity.ERROR
    title: ClassVar[Text] = Text("Several steps use the same gradients")
    reads: ClassVar[tuple[Quantity, ...]] = (q.GLOBAL_NORM,)
    may_read: ClassVar[tuple[Quantity, ...]] = (q.REUSED_STEPS, q.LOOKED_STEPS)
    explains: ClassVar[tuple[str, ...]] = ("LD601", "LD102", "LD103", "LD104", "LD105", "LD523")

    #: steps; one may be a pause between two phases
    min_reused: int = 3
    #: share of the steps looked at, 1; a half where each batch is stepped twice
    min_share: float = 0.1

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding per watch whose steps use gradients again."""
        if q.REUSED_STEPS not in run:
            return
        norms = {each.column: each.values for each in columns(run, q.GLOBAL_NORM)}
        for column, steps, counts in columns(run, q.REUSED_STEPS):
            looked = at_steps(run, q.LOOKED_STEPS, steps, column)
            if not len(steps) or not np.any(norms.get(column, np.ones(1)) > 0):
                continue
            reused, of = float(counts[-1]), float(looked[-1])
            if reused >= self.min_reused and reused >= self.min_share * of:
                ends = int(steps[0]), int(steps[-1])
                yield self._finding(column, ends, reused, of)

    def _finding(self, column: str, ends: tuple[int, int], reused: float, looked: float) -> Finding:
        message = _MESSAGE.format(looked=short_number(looked), reused=short_number(reused))
        evidence = Evidence(q.REUSED_STEPS.name, column, *ends, reused, self.min_reused)
        numbers = {"reused": reused, "looked": looked}
        return Finding(self.code, self.severity, column, (evidence,), message, _ADVICE, numbers)
