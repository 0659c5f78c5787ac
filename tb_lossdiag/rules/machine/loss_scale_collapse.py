"""LD802 loss-scale-collapse."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import columns, loss_broke_at, too_few
from tb_lossdiag.analysis.skipped import never_steps
from tb_lossdiag.diagnosis.rule import Evidence, Finding, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.records import Doubles, Steps
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "The loss scale fell from {high} to {low} ({times} times) between step {first} and {last}, and has not come back."
)
_ADVICE = Text("""Gradients grow faster than the scale can follow: the training is about to become unstable, often some tens of steps later. Stop and
go back to a checkpoint before step {first}:

- lower the learning rate, or skip the batches of that stretch;
- clip after `scaler.unscale_(optimizer)`; look at which layer's gradient norm grew first;
- use bfloat16 if the device has it, and put a floor under the scale while you look:

```python
if scaler.get_scale() < 128:
    scaler.update(128.0)
```""")

_ALL = 0.95
"""Of all steps, 1; who skips so many from the first on does not collapse but has never begun."""
_TINY = 1e-30
"""Instead of a scale of 0."""


@dataclass(frozen=True)
class LossScaleCollapse:
    """The loss scale falls and falls.

    Why it matters: each halving is an overflow. Several in a row without recovery come before an explosion, and a tiny scale lets
    small gradients vanish in float16.

    How it decides: after the first `search` steps, the scale falls by `min_fall` within `max_steps` steps, and ends no higher than
    twice what it fell to. An error once it is below 1. Unit: 1.

    What to try first: back to a checkpoint, a smaller learning rate, bfloat16.

    Guards against: the search for the scale at the start; single halvings, which growth makes up for; a slow drift; a loss that was already NaN
    when the fall began, of which every step overflows (LD101); a run in which no step is taken at all (LD801).

    References: Zeng et al. 2023, GLM-130B (arXiv 2210.02414), on loss spikes and gradients in mixed precision; PyTorch,
    `torch.amp.GradScaler`.
    """

    code: ClassVar[str] = "LD802"
    name: ClassVar[str] = "loss-scale-collapse"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("The loss scale collapses")
    reads: ClassVar[tuple[Quantity, ...]] = (q.AMP_SCALE,)
    may_read: ClassVar[tuple[Quantity, ...]] = (q.LOSS_NONFINITE, q.AMP_SKIPPED)
    explains: ClassVar[tuple[str, ...]] = ("LD101", "LD104", "LD523", "LD605", "LD801", "LD805")

    #: scale before over scale after, 1; five halvings
    min_fall: float = 32.0
    #: steps that the fall takes at most; the scale grows once in that many, so nothing grew in between
    max_steps: int = 2000
    #: steps at the beginning; from 2^16, thirty halvings would leave 6e-5: no search takes longer
    search: int = 30
    #: records after the search; fewer show no trend
    min_records: int = 10

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield one finding for the run."""
        for column, steps, scale in columns(run, q.AMP_SCALE):
            after = steps >= (int(steps[0]) if len(steps) else 0) + self.search
            if never_steps(run, column, _ALL):
                continue
            if after.sum() < self.min_records:
                raise too_few(self.min_records, Text("records of the scale after its search"))
            yield from self._judge(run, column, steps[after], scale[after])

    def _judge(self, run: Run, column: str, steps: Steps, scale: Doubles) -> Iterator[Finding]:
        tops = self._tops(steps, scale)
        fallen = np.flatnonzero(scale[tops] >= self.min_fall * np.maximum(scale, _TINY))
        if not len(fallen) or scale[-1] > 2 * scale[fallen[-1]]:
            return
        lowest = int(fallen[np.argmin(scale[fallen])])
        top = int(tops[lowest])
        high, low = float(scale[top]), float(scale[lowest])
        if loss_broke_at(run) <= steps[top + 1]:
            return
        ends = int(steps[top]), int(steps[lowest])
        numbers = {"high": high, "low": low, "times": high / max(low, _TINY)}
        words = {key: short_number(value) for key, value in numbers.items()}
        message = _MESSAGE.format(first=str(ends[0]), last=str(ends[1]), **words)
        evidence = Evidence(q.AMP_SCALE.name, column, *ends, low, high / self.min_fall)
        severity = Severity.ERROR if low < 1 else self.severity
        advice = _ADVICE.format(first=str(ends[0]))
        yield Finding(self.code, severity, "", (evidence,), message, advice, numbers)

    def _tops(self, steps: Steps, scale: Doubles) -> Steps:
        """int64[T]: for each record, which one held the highest scale of the `max_steps` before; the newest of equal ones."""
        starts = np.searchsorted(steps, steps - self.max_steps).tolist()
        return np.array(
            [
                end - int(np.argmax(scale[first : end + 1][::-1]))
                for end, first in enumerate(starts)
            ],
            np.int64,
        )
