"""LD903 monitoring-cost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import at_steps, columns, counts_at, too_few
from tb_lossdiag.analysis.weighted import mean
from tb_lossdiag.diagnosis.judged import with_judged
from tb_lossdiag.diagnosis.rule import Evidence, Finding, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.records import Doubles, Steps
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "Recording took {percent}% of the training's time: {own} s of {step} s per step, {total} s in all."
)
_JUDGED = Text("time of recording, as a share of the step")
_ADVICE = Text("""Turn down what costs most, in this order:

```python
writer.watch(model, optimizer, every=10, activations=False, check_up=False)  # look at every 10th step
```

- `decompose=` costs a backward pass per term: make its cadence sparser, or point it at a shared representation.
- Many small parameters cost more than few large ones: watch the part that matters.""")


@dataclass(frozen=True)
class MonitoringCost:
    """Recording takes a noticeable part of the training's time.

    Why it matters: a diagnosis shouldn't cost more than it saves.

    How it decides: seconds that recording took over the seconds of all steps after the first `skipped` ones, weighted by steps, is
    above `max_share`, and recording took `min_seconds` in all. Units: 1, s.

    What to try first: a sparser cadence.

    Guards against: the check-up of the first steps; small trainings in which it adds up to nothing; it is only an information.

    References: none; the writer measures its own time.
    """

    code: ClassVar[str] = "LD903"
    name: ClassVar[str] = "monitoring-cost"
    severity: ClassVar[Severity] = Severity.INFO
    title: ClassVar[Text] = Text("Recording costs time")
    reads: ClassVar[tuple[Quantity, ...]] = (q.OWN_SECONDS, q.STEP_SECONDS)
    may_read: ClassVar[tuple[Quantity, ...]] = (q.STEPS,)
    explains: ClassVar[tuple[str, ...]] = ()

    #: share of the time, 1; what people accept for watching
    max_share: float = 0.05
    #: s in all; less than a minute isn't worth a change
    min_seconds: float = 60.0
    #: steps at the beginning; the check-up looks closely there
    skipped: int = 20
    #: records after them; fewer give no mean
    min_records: int = 10

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding per watched model that costs too much."""
        judged = False
        for column, steps, own in columns(run, q.OWN_SECONDS):
            whole = at_steps(run, q.STEP_SECONDS, steps, column)
            kept = np.isfinite(whole) & (steps >= (steps[0] if len(steps) else 0) + self.skipped)
            if kept.sum() >= self.min_records:
                judged = True
                weights = counts_at(run, q.STEPS, steps[kept], column, 1.0)
                seconds = own[kept], whole[kept], weights
                yield from self._judge(column, steps[kept], seconds)
        if not judged:
            raise too_few(self.min_records, Text("records of the steps' seconds"))

    def _judge(
        self, column: str, steps: Steps, seconds: tuple[Doubles, Doubles, Doubles]
    ) -> Iterator[Finding]:
        own, whole, weights = seconds
        numbers = {
            "own": mean(own, weights),
            "step": mean(whole, weights),
            "total": float((own * weights).sum()),
        }
        share = numbers["own"] / numbers["step"] if numbers["step"] > 0 else 0.0
        if not share > self.max_share or numbers["total"] < self.min_seconds:
            return
        words = {key: short_number(value) for key, value in numbers.items()}
        message = _MESSAGE.format(percent=f"{100 * share:.0f}", **words)
        ends = int(steps[0]), int(steps[-1])
        piece = Evidence(q.OWN_SECONDS.name, column, *ends, share, self.max_share)
        with np.errstate(divide="ignore", invalid="ignore"):
            evidence = with_judged(piece, _JUDGED, steps, own / whole)
        numbers["share"] = share
        yield Finding(self.code, self.severity, column, (evidence,), message, _ADVICE, numbers)
