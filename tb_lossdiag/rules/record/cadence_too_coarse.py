"""LD902 cadence-too-coarse."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.diagnosis.rule import Evidence, Finding, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.records import Steps
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "`{quantity}` was recorded {records} times in {steps} steps, about every {every} steps; many rules need {least} records."
)
_ADVICE = Text("""Record at least every {more} steps. Every step is fine too: the writer widens its windows by itself, and keeps spikes that lie
between two records:

```python
writer.watch(model, optimizer)  # without every=
writer.add_diagnostics(loss=loss, global_step=step)  # in every step
```

Where a framework writes the log, its own interval decides (Trainer's `logging_steps`, Lightning's `log_every_n_steps`).""")


@dataclass(frozen=True)
class CadenceTooCoarse:
    """Too few records were made of a long run.

    Why it matters: rules that look for stretches, spikes and trends stay silent ("not evaluated") although there was enough to see.

    How it decides: fewer than `min_records` records of the loss or of the gradients, in a run of at least `min_steps` steps that has
    `min_every` steps per record or more. Unit: records.

    What to try first: call `add_diagnostics` in every step.

    Guards against: short runs; steps that count epochs; it is only an information.

    References: none; the numbers are those of this package's rules.
    """

    code: ClassVar[str] = "LD902"
    name: ClassVar[str] = "cadence-too-coarse"
    severity: ClassVar[Severity] = Severity.INFO
    title: ClassVar[Text] = Text("Too few records")
    reads: ClassVar[tuple[Quantity, ...]] = (q.LOSS,)
    may_read: ClassVar[tuple[Quantity, ...]] = (q.GRADIENT_NORM,)
    explains: ClassVar[tuple[str, ...]] = ()

    #: records; what the rules about stretches need
    min_records: int = 30
    #: steps of the run; a shorter one is over before it can be judged
    min_steps: int = 300
    #: steps per record, 1; below, nothing much was left out
    min_every: float = 5.0

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield one finding, for the quantity with the fewest records."""
        steps: dict[Quantity, Steps] = {
            quantity: run[quantity].steps[~np.isnan(run[quantity].values).all(axis=1)]
            for quantity in (q.LOSS, q.GRADIENT_NORM)
            if quantity in run
        }
        first = min((int(at[0]) for at in steps.values() if len(at)), default=0)
        last = max((int(at[-1]) for at in steps.values() if len(at)), default=0)
        covered = last - first + 1
        quantity = min(steps, key=lambda each: len(steps[each]))
        records = len(steps[quantity])
        sparse = covered >= self.min_every * max(records, 1)
        if 0 < records < self.min_records and covered >= self.min_steps and sparse:
            yield self._finding(run, quantity, steps[quantity], covered)

    def _finding(self, run: Run, quantity: Quantity, at: Steps, covered: int) -> Finding:
        records = len(at)
        message = _MESSAGE.format(
            quantity=quantity.name,
            records=str(records),
            steps=str(covered),
            every=short_number(round(covered / records)),
            least=str(self.min_records),
        )
        ends = int(at[0]), int(at[-1])
        column = run[quantity].columns[0]
        evidence = Evidence(quantity.name, column, *ends, records, self.min_records)
        advice = _ADVICE.format(more=str(max(covered // (2 * self.min_records), 1)))
        numbers = {"records": records, "steps": covered}
        return Finding(self.code, self.severity, "", (evidence,), message, advice, numbers)
