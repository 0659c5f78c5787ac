"""LD625 rate-repeats."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import too_few
from tb_lossdiag.analysis.rates import largest_rate, leading_group
from tb_lossdiag.diagnosis.rule import Evidence, Finding, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.records import Steps
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "The learning rate came back up {returns} times, from half of {peak} or less to nearly {peak}, every {period} steps, and no schedule with a period is known: it seems to begin anew each time."
)
_ADVICE = Text("""A schedule goes over the whole training. Look for what makes it begin anew every {period} steps, an epoch perhaps:

```python
total = epochs * len(loader)
scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=lr, total_steps=total)
for epoch in range(epochs):  # scheduler and optimizer are made before, once
    for inputs, targets in loader:
        loss = criterion(model(inputs), targets)
        loss.backward()
        optimizer.step()
        scheduler.step()
        optimizer.zero_grad()
```

A rate computed by hand must count steps from the beginning of the training, not of the epoch. Warm restarts that are meant are
`CosineAnnealingWarmRestarts` or `CyclicLR`; by hand, accept the finding in `lossdiag.toml`.""")
_PERIODIC = frozenset({"CosineAnnealingWarmRestarts", "CyclicLR", "CosineAnnealingLR"})
"""Schedules with a period; the last one's, which nobody wants, is LD607's."""


@dataclass(frozen=True)
class RateRepeats:
    """The learning rate goes through the same course again and again.

    Why it matters: each return to the peak undoes what the low rates before had settled, and the training never gets the long, low end that
    it was planned with.

    How it decides: the largest rate of all groups comes back from `max_low` of its peak or less to `min_high` of it, at distances that
    differ by no more than `max_spread` of their mean. From `min_returns` returns on it is an information, from `many_returns` on a
    warning: that often nobody restarts on purpose. Unit: returns.

    What to try first: make scheduler and optimizer before the loop over epochs.

    Guards against: schedules with a period (cyclic, warm restarts); restarts that grow longer; a rate that waits for a plateau; the one
    rise of a warm-up.

    References: PyTorch, "How to adjust learning rate"; Loshchilov and Hutter 2017 (arXiv 1608.03983), whose restarts grow longer.
    """

    code: ClassVar[str] = "LD625"
    name: ClassVar[str] = "rate-repeats"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("The learning rate begins anew again and again")
    reads: ClassVar[tuple[Quantity, ...]] = (q.LEARNING_RATE,)
    may_read: ClassVar[tuple[Quantity, ...]] = ()
    explains: ClassVar[tuple[str, ...]] = ("LD103", "LD105")

    #: share of the peak, 1
    max_low: float = 0.5
    #: share of the peak, 1; nearly a full return
    min_high: float = 0.9
    #: returns; two may be a training that was prolonged
    min_returns: int = 3
    #: returns; snapshot ensembles and restarts by hand have about five
    many_returns: int = 8
    #: standard deviation of the distances over their mean, 1; epochs differ by a record
    max_spread: float = 0.2
    #: records; fewer show no shape
    min_records: int = 20

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield one finding if the rate repeats."""
        steps, rates = largest_rate(run)
        there = rates > 0
        if there.sum() < self.min_records:
            raise too_few(self.min_records, Text("records of the learning rate"))
        if run.facts.get("scheduler", "") in _PERIODIC:
            return
        share = rates[there] / float(rates.max())
        side = np.where(share >= self.min_high, 1, np.where(share <= self.max_low, -1, 0))
        turns, at = side[side != 0], steps[there][side != 0]
        back: Steps = at[1:][(turns[1:] > 0) & (turns[:-1] < 0)]
        apart = np.diff(back)
        if len(back) < self.min_returns or apart.std() > self.max_spread * apart.mean():
            return
        yield self._finding(run, back, float(np.median(apart)), float(rates.max()))

    def _finding(self, run: Run, back: Steps, period: float, peak: float) -> Finding:
        words = {"period": short_number(period), "peak": short_number(peak)}
        message = _MESSAGE.format(returns=str(len(back)), **words)
        ends = int(back[0]), int(back[-1])
        evidence = Evidence(
            q.LEARNING_RATE.name, leading_group(run), *ends, None, self.min_high * peak
        )
        severity = self.severity if len(back) >= self.many_returns else Severity.INFO
        numbers = {"returns": len(back), "period": period, "peak": peak}
        advice = _ADVICE.format(period=words["period"])
        return Finding(self.code, severity, "", (evidence,), message, advice, numbers)
