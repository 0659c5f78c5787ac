"""LD727 statistics-of-one-batch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import columns, too_few
from tb_lossdiag.analysis.curve import Curve, curve_of
from tb_lossdiag.diagnosis.rule import Evidence, Finding, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.records import Steps
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "Batch normalisation has a momentum of {momentum}: `eval()` computes with mean and variance of the newest batch alone, {apart}. The validation loss jumps by {noise}% from one validation to the next."
)
_FEW = Text("of which there are {values} values per channel")
_SHIFT = Text("whose mean lies {shift} standard deviations from the next one's")
_ADVICE = Text("""In PyTorch `momentum` is the share that the newest batch gets; TensorFlow and Keras call by that name what stays, so their 0.99 is 0.01 here:

```python
norm = torch.nn.BatchNorm2d(channels, momentum=0.1)  # PyTorch's default
```""")

_GAUSS = 1.4826
"""Standard deviation of a normal distribution over its median absolute deviation."""


@dataclass(frozen=True)
class StatisticsOfOneBatch:
    """Batch normalisation remembers its newest batch and nothing else.

    Why it matters: `eval()` normalises by what happened to be in the last batch of the training, so validation, and every answer later,
    changes from one batch to the next, and one odd batch before a checkpoint spoils it.

    How it decides: in at least `min_checks` check-ups and in most of them, a module in train() had a momentum of at least `min_momentum`,
    with which fewer than 1.25 batches are remembered ((2 - m) / m). A batch says too little: it has fewer than `max_values` values per
    channel, or its mean lies at least `min_shift` standard deviations from the one remembered. And it shows: from one
    validation to the next, of at least `min_validations`, the loss's logarithm jumps by at least `min_noise`, its trend aside. Units: 1;
    values; standard deviations; 1.

    What to try first: `momentum=0.1`, or 0.01.

    Guards against: batches so large that one is enough, full-batch training among them; `momentum=None`, the mean of all batches;
    statistics that are never used; a validation that goes its way calmly.

    References: PyTorch, `torch.nn.BatchNorm2d`; eriklindernoren/PyTorch-YOLOv3 issue 230; Ioffe and Szegedy 2015 (arXiv 1502.03167),
    section 3.1.
    """

    code: ClassVar[str] = "LD727"
    name: ClassVar[str] = "statistics-of-one-batch"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("Batch normalisation remembers one batch")
    reads: ClassVar[tuple[Quantity, ...]] = (q.RUNNING_MOMENTUM, q.VALIDATION_LOSS)
    may_read: ClassVar[tuple[Quantity, ...]] = (q.RUNNING_SHIFT, q.BATCH_NORM_VALUES)
    explains: ClassVar[tuple[str, ...]] = ("LD107", "LD108", "LD622", "LD706")

    #: of what is remembered, 1; (2 - m) / m batches are, in numbers that vary as little
    min_momentum: float = 0.9
    #: values per channel; 16 leave a mean off by a quarter of the standard deviation
    max_values: int = 16
    #: standard deviations; as far as two batches of 40 values are apart in the median channel
    min_shift: float = 0.15
    #: of the validation loss's logarithm; measured on digits: 0.03 to 0.06 with a momentum of 0.1 and batches of 4 to 64, 0.1 to 0.2 with 0.999 and 4 to 16
    min_noise: float = 0.08
    #: validations; noise of fewer is a guess
    min_validations: int = 6
    #: check-ups; one may be of statistics that are computed anew
    min_checks: int = 2

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding per watched model that remembers one batch."""
        validation = curve_of(run, q.VALIDATION_LOSS)
        validation.needs_positive()
        validation.needs(self.min_validations)
        seen = [c for c in columns(run, q.RUNNING_MOMENTUM) if len(c.steps) >= self.min_checks]
        if not seen:
            raise too_few(self.min_checks, Text("check-ups of batch normalisation in train()"))
        jumps = _jumps(validation)
        for column, steps, values in seen:
            momentum = round(float(np.median(values)), 6)  # 0.9 is a little less in 32 bits
            apart = self._apart(run, column)
            if momentum >= self.min_momentum and apart and jumps >= self.min_noise:
                yield self._finding((column, steps), momentum, apart, (validation, jumps))

    def _apart(self, run: Run, column: str) -> Text | None:
        """How little a batch says; None if it says enough."""
        shift = _median(run, q.RUNNING_SHIFT, column)
        values = _median(run, q.BATCH_NORM_VALUES, column)
        if shift >= self.min_shift:
            return _SHIFT.format(shift=short_number(shift))
        return _FEW.format(values=short_number(values)) if values < self.max_values else None

    def _finding(
        self,
        where: tuple[str, Steps],
        momentum: float,
        apart: Text,
        shown: tuple[Curve, float],
    ) -> Finding:
        column, steps = where
        validation, jumps = shown
        message = _MESSAGE.format(
            momentum=short_number(momentum), apart=apart, noise=f"{100 * jumps:.0f}"
        )
        ends = int(steps[0]), int(steps[-1])
        seen = int(validation.steps[0]), int(validation.steps[-1])
        evidence = (
            Evidence(q.RUNNING_MOMENTUM.name, column, *ends, momentum, self.min_momentum),
            Evidence(q.VALIDATION_LOSS.name, "", *seen),
        )
        numbers = {"momentum": momentum, "jumps": jumps}
        return Finding(self.code, self.severity, column, evidence, message, _ADVICE, numbers)


def _median(run: Run, quantity: Quantity, column: str) -> float:
    """NaN where it is not known."""
    if quantity not in run:
        return float("nan")
    values = run[quantity].column(column)
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else float("nan")


def _jumps(validation: Curve) -> float:
    """Standard deviation of a loss's logarithm about the mean of its neighbours, untouched by a trend and by outliers."""
    log = np.log(np.maximum(validation.values, np.finfo(float).tiny))
    return float(_GAUSS * np.median(np.abs(log[1:-1] - (log[:-2] + log[2:]) / 2)) / np.sqrt(1.5))
