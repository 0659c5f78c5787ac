"""LD803 rank-divergence."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import Sighting, columns, too_few
from tb_lossdiag.diagnosis.rule import Evidence, Finding, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.run import Run

_PARAMETERS = Text(
    "The norm of all parameters differs by {spread} between data-parallel ranks, in {records} records up to the end: the ranks train different models."
)
_GRADIENTS = Text(
    "The gradient norm that the ranks step with differs by {spread} between them, in {records} records up to the end: the gradients are not averaged."
)
_ADVICE = Text("""Let every forward pass go through the wrapper, so that its hooks average the gradients:

```python
model = torch.nn.parallel.DistributedDataParallel(model)
output = model(batch)  # not model.module(batch)
```

- Leave `no_sync()` before the last micro-batch of a step.
- Change parameters (initialisation, loading, clipping by hand) alike on all ranks, or before wrapping the model.
- Skip a step on all ranks or on none; a rank that skips alone (NaN, an empty batch) is lost from then on.""")


@dataclass(frozen=True)
class RankDivergence:
    """The data-parallel ranks no longer hold the same model.

    Why it matters: each rank trains a model of its own on a part of the data; only one of them is saved.

    How it decides: (largest - smallest) / largest over the ranks. The norm of all parameters differs by more than
    `max_parameter_spread`, or the gradient norm they step with by more than `max_gradient_spread`, in each of the last `min_records`
    records. Unit: 1.

    What to try first: forward passes through the wrapper, `no_sync()` only before the last micro-batch.

    Guards against: rounding; a single record; differences that a synchronisation removes again (local steps on purpose).

    References: PyTorch, "Distributed Data Parallel" design note; Li et al. 2020 (arXiv 2006.15704).
    """

    code: ClassVar[str] = "LD803"
    name: ClassVar[str] = "rank-divergence"
    severity: ClassVar[Severity] = Severity.ERROR
    title: ClassVar[Text] = Text("The ranks train different models")
    reads: ClassVar[tuple[Quantity, ...]] = (q.RANK_PARAMETER_SPREAD,)
    may_read: ClassVar[tuple[Quantity, ...]] = (q.RANK_GRADIENT_SPREAD,)
    explains: ClassVar[tuple[str, ...]] = ("LD102", "LD104", "LD105", "LD523", "LD808")

    #: relative spread, 1; equal parameters have 0, a float32 sum in another order 1e-7
    max_parameter_spread: float = 1e-5
    #: relative spread, 1; averaged gradients are equal up to rounding, in bfloat16 to 4e-3
    max_gradient_spread: float = 1e-2
    #: records in a row up to the end; one could lie between two synchronisations
    min_records: int = 3

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding per watched model whose ranks went apart; the parameters speak first."""
        parameters = list(columns(run, q.RANK_PARAMETER_SPREAD))
        if max((len(each.steps) for each in parameters), default=0) < self.min_records:
            raise too_few(self.min_records, Text("comparisons of the ranks"))
        gradients = {each.column: each for each in columns(run, q.RANK_GRADIENT_SPREAD)}
        for each in parameters:
            yield from self._judge(each, gradients.get(each.column))

    def _judge(self, parameters: Sighting, gradients: Sighting | None) -> Iterator[Finding]:
        if apart := self._apart(parameters.values, self.max_parameter_spread):
            yield self._finding(q.RANK_PARAMETER_SPREAD, parameters, apart, _PARAMETERS)
        elif gradients and (apart := self._apart(gradients.values, self.max_gradient_spread)):
            yield self._finding(q.RANK_GRADIENT_SPREAD, gradients, apart, _GRADIENTS)

    def _apart(self, spread: np.ndarray[tuple[int], np.dtype[np.float64]], bound: float) -> int:
        """Records at the end that are all above the bound; 0 if there are too few."""
        below = np.flatnonzero(spread <= bound)
        count = len(spread) - (int(below[-1]) + 1 if len(below) else 0)
        return count if count >= self.min_records else 0

    def _finding(self, quantity: Quantity, seen: Sighting, records: int, text: Text) -> Finding:
        ends = int(seen.steps[-records]), int(seen.steps[-1])
        spread = float(np.median(seen.values[-records:]))
        bound = (
            self.max_parameter_spread
            if quantity is q.RANK_PARAMETER_SPREAD
            else self.max_gradient_spread
        )
        evidence = Evidence(quantity.name, seen.column, *ends, spread, bound)
        message = text.format(spread=short_number(spread), records=str(records))
        numbers = {"spread": spread}
        return Finding(
            self.code, self.severity, seen.column, (evidence,), message, _ADVICE, numbers
        )
