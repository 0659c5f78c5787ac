"""LD614 optimizer-made-anew."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import columns
from tb_lossdiag.diagnosis.rule import Evidence, Finding, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "A new {optimizer} took the place of the one before {count} times in {steps} steps, about every {interval}, and each began without what the one before "
    "had learned: its averages look back over some {memory} steps, and never get to hold so many."
)
_ADVICE = Text("""Make the optimizer once, before the loop over epochs, and hand it to the function that trains one:

```python
optimizer = torch.optim.{optimizer}(model.parameters(), lr=lr)
writer.watch(model, optimizer)
for epoch in range(epochs):
    train_epoch(model, optimizer)
```

Where it must be a new one, give it the state: `new.load_state_dict(old.state_dict())`.""")


@dataclass(frozen=True)
class OptimizerMadeAnew:
    """The optimizer is made anew again and again, and forgets its averages each time.

    Why it matters: Adam scales each parameter's step by an average over about a thousand squared gradients, momentum sums up ten gradients.
    Thrown away each epoch, they never settle: every epoch begins with the large, badly scaled steps of a training's first.

    How it decides: at least `min_replaced` optimizers with state were replaced by one without, and between two replacements (median) lie
    fewer steps than `max_filled` times the optimizer's memory, 1 / (1 - beta2), or 1 / (1 - momentum) without a second average.

    What to try first: make the optimizer once, outside the loop.

    Guards against: a new optimizer once or twice, as for a second phase; a state that is carried over; optimizers without state; periods so
    long that the averages have filled by far most of the time.

    References: Kingma and Ba 2015, section 3 (what the averages hold and how far they look back).
    """

    code: ClassVar[str] = "LD614"
    name: ClassVar[str] = "optimizer-made-anew"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("The optimizer is made anew again and again")
    reads: ClassVar[tuple[Quantity, ...]] = (q.STEPS,)
    may_read: ClassVar[tuple[Quantity, ...]] = (q.REPLACED_OPTIMIZERS, q.BETA2, q.MOMENTUM)
    explains: ClassVar[tuple[str, ...]] = ()

    #: optimizers; two are phases of a training
    min_replaced: int = 3
    #: share of the memory, 1; after one memory an average holds 63 % of what it will
    max_filled: float = 1.0

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding per watch whose optimizer is made anew."""
        if q.REPLACED_OPTIMIZERS not in run:
            return
        memory, taken = _memory(run), float(np.nansum(run[q.STEPS].values))
        for column, steps, counts in columns(run, q.REPLACED_OPTIMIZERS):
            if len(steps) < self.min_replaced:
                continue
            interval = float(np.median(np.diff(steps)))
            if interval < self.max_filled * memory:
                ends = int(steps[0]), int(steps[-1])
                yield self._finding(run, column, ends, (float(counts[-1]), taken, interval, memory))

    def _finding(
        self,
        run: Run,
        column: str,
        ends: tuple[int, int],
        numbers: tuple[float, float, float, float],
    ) -> Finding:
        count, taken, interval, memory = numbers
        name = run.facts.get("optimizer", "")
        optimizer = name if name.isidentifier() else "AdamW"
        message = _MESSAGE.format(
            optimizer=name or Text("optimizer"),
            count=short_number(count),
            steps=short_number(taken),
            interval=short_number(interval),
            memory=short_number(memory),
        )
        evidence = Evidence(q.REPLACED_OPTIMIZERS.name, column, *ends, count, self.min_replaced)
        advice = _ADVICE.format(optimizer=optimizer)
        said = {"count": count, "interval": interval, "memory": memory}
        return Finding(self.code, self.severity, column, (evidence,), message, advice, said)


def _memory(run: Run) -> float:
    """Steps that the optimizer's longest average looks back; 0 if nothing is known of it."""
    decays = [
        each.values[-1]
        for quantity in (q.BETA2, q.MOMENTUM)
        for each in columns(run, quantity)
        if len(each.values) and 0 <= each.values[-1] < 1
    ]
    return float(round(1 / (1 - max(decays)))) if decays else 0.0  # recorded as float32
