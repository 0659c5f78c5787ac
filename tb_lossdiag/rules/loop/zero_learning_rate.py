"""LD612 zero-learning-rate."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import too_few
from tb_lossdiag.diagnosis import settings
from tb_lossdiag.diagnosis.rule import Evidence, Finding, Severity, Text
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.run import Run

_ALWAYS = Text(
    "The learning rate is exactly 0 in {zeros} of {records} records: no step changes anything."
)
_BETWEEN = Text(
    "The learning rate is exactly 0 in {zeros} of {records} records, {percent}% of those between the first and the last twentieth, and above 0 later."
)
_ADVICE = Text("""Print what the optimizer really has, after the scheduler's first steps:

```python
print([group["lr"] for group in optimizer.param_groups])
```

- The schedule's length or warm-up is 0, or was given in another unit (epochs for steps, a string for a number).
- A resumed scheduler stands at its end: it was made for fewer steps than the training has now.
- The rate was set to 0 in a configuration, or is multiplied by a factor that is 0.""")


@dataclass(frozen=True)
class ZeroLearningRate:
    """The optimizer steps with a learning rate of 0.

    Why it matters: the order of the batches alone moves the loss, which looks like a slow or noisy training.

    How it decides: the largest rate of all groups is exactly 0 in at least `min_always` of the records (an error), or in more than
    `max_between` of those between the first and the last twentieth, with a rate above 0 afterwards (a warning). Unit: share of records.

    What to try first: print the rate of each group.

    Guards against: a warm-up that begins at 0 and a schedule that ends there; one of several groups that is frozen on purpose; a long tail at
    0 (LD607).

    References: PyTorch, "How to adjust learning rate"; public QLoRA logs with a rate of 0.0 in all of 60 records.
    """

    code: ClassVar[str] = "LD612"
    name: ClassVar[str] = "zero-learning-rate"
    severity: ClassVar[Severity] = Severity.ERROR
    title: ClassVar[Text] = Text("The learning rate is 0")
    reads: ClassVar[tuple[Quantity, ...]] = (q.LEARNING_RATE,)
    may_read: ClassVar[tuple[Quantity, ...]] = ()
    explains: ClassVar[tuple[str, ...]] = ("LD104", "LD109", "LD523", "LD602", "LD605")
    setting: ClassVar[str] = settings.RATE

    #: share of records, 1; a rate logged before its first step may be above
    min_always: float = 0.99
    #: share of records in between, 1
    max_between: float = 0.1
    #: records of the learning rate
    min_records: int = 20

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield one finding for the run."""
        table = run[q.LEARNING_RATE]
        rates = np.where(np.isfinite(table.values), table.values, -1.0).max(axis=1, initial=-1.0)
        steps, rates = table.steps[rates >= 0], rates[rates >= 0]
        if len(rates) < self.min_records:
            raise too_few(self.min_records, Text("records of the learning rate"))
        zero = rates == 0
        edge = max(1, len(rates) // 20)
        above = np.flatnonzero(~zero)
        last = int(above[-1]) if len(above) else 0
        inner = zero[edge : min(len(zero) - edge, last)]
        share = float(inner.mean()) if len(inner) else 0.0
        always = bool(zero.mean() >= self.min_always)
        if not always and not share > self.max_between:
            return
        rows = np.flatnonzero(zero)
        text = _ALWAYS if always else _BETWEEN
        message = text.format(
            zeros=str(int(zero.sum())), records=str(len(zero)), percent=f"{100 * share:.0f}"
        )
        ends = int(steps[rows[0]]), int(steps[rows[-1]])
        evidence = Evidence(q.LEARNING_RATE.name, table.columns[0], *ends, 0.0)
        severity = self.severity if always else Severity.WARNING
        numbers = {"zeros": int(zero.sum()), "records": len(zero)}
        yield Finding(self.code, severity, "", (evidence,), message, _ADVICE, numbers)
