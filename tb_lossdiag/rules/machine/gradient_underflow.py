"""LD805 gradient-underflow."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import column_in_force, too_few
from tb_lossdiag.analysis.levels import Bools, median
from tb_lossdiag.analysis.parameters import compact, listed, sizes, weights
from tb_lossdiag.diagnosis import settings
from tb_lossdiag.diagnosis.rule import Evidence, Finding, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.records import Floats, Steps
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "In {count} of {all} weight matrices the gradients are float16 numbers at the lower end of what it can hold (largest element {largest}, the smallest float16 above 0 is {tiny}), and {percent}% of the elements are exactly 0: {names}."
)
_ADVICE = Text("""Multiply the loss before the backward pass, and let the scaler divide it out again:

```python
scaler = torch.amp.GradScaler("cuda")
scaler.scale(loss).backward()
scaler.step(optimizer)
scaler.update()
```

Or use bfloat16, which has float32's range: `torch.autocast("cuda", dtype=torch.bfloat16)`. Keep the weights themselves in float32.""")
_TINY = 2.0**-24
"""Smallest float16 above 0."""
_SUBNORMAL = 2.0**-14
"""Below, float16 numbers are multiples of the smallest one and lose digits."""

_BFLOAT16_SHOWS = 2.0**-17
"""Below, the 8 digits of a bfloat16 number reach below the smallest float16 in most cases."""


@dataclass(frozen=True)
class GradientUnderflow:
    """Gradients vanish in float16 because the loss isn't scaled.

    Why it matters: everything below 6e-8 becomes 0; the layers with small gradients stop learning although the mathematics is fine.

    How it decides: of the weight matrices at least `min_part`, in `min_records` records at least, have a largest gradient element
    above 0 that is below 2^-14 and that float16 holds exactly, and a median share of exact zeros above `max_zero`; where one such
    matrix shows it, those count too in which nothing but zeros is left. No GradScaler with a scale above 1 was at work. Unit: share
    of elements.

    What to try first: a GradScaler, or bfloat16.

    Guards against: float32 and bfloat16 gradients, whose values are hardly ever float16 numbers down there; dead units and unused
    embeddings, whose other gradients are larger; a training that uses a scaler.

    References: Micikevicius et al. 2018 (arXiv 1710.03740), section 3.2; IEEE 754 binary16.
    """

    code: ClassVar[str] = "LD805"
    name: ClassVar[str] = "gradient-underflow"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("Gradients vanish in float16")
    reads: ClassVar[tuple[Quantity, ...]] = (
        q.GRADIENT_ABS_MAX,
        q.GRADIENT_ZERO_SHARE,
        q.PARAMETER_SIZE,
    )
    may_read: ClassVar[tuple[Quantity, ...]] = (q.AMP_SCALE,)
    explains: ClassVar[tuple[str, ...]] = (
        "LD104",
        "LD109",
        "LD201",
        "LD205",
        "LD523",
        "LD602",
    )
    setting: ClassVar[str] = settings.PRECISION

    #: share of exact zeros, 1; half of the gradient is lost
    max_zero: float = 0.5
    #: share of the weight matrices, 1; a single one may be dead for other reasons
    min_part: float = 0.25
    #: records per matrix; by chance a float32 number down there is a float16 one in a thousandth of the cases
    min_records: int = 3

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield one finding that names the matrices."""
        largest, zeros = run.aligned(q.GRADIENT_ABS_MAX, q.GRADIENT_ZERO_SHARE)
        chosen = weights(largest.columns, sizes(run, largest.columns))
        if len(largest) < self.min_records or not chosen.any():
            raise too_few(
                self.min_records,
                Text("records of the largest gradient elements of weight matrices"),
            )
        scaled = column_in_force(run, q.AMP_SCALE, largest.steps) > 1
        values = np.where(scaled[:, None], np.nan, largest.values)
        low = (values > 0) & (values < _SUBNORMAL)
        shown = chosen & self._shown(np.where(low, values, 0.0).astype(np.float32))
        zero = median(np.where(low, zeros.values, np.nan), axis=0)
        lost = chosen & (values == 0).all(axis=0) if shown.any() else np.zeros(len(chosen), bool)
        sick = (shown & (zero > self.max_zero)) | lost
        if sick.sum() >= max(1, self.min_part * chosen.sum()):
            names = [n for n, ok in zip(largest.columns, sick, strict=True) if ok]
            most = float(np.where(low & shown, values, 0.0).max())
            ends = _window(largest.steps, low, shown)
            yield self._finding(run, names, (int(chosen.sum()), most), ends)

    def _shown(self, low: Floats) -> Bools:
        """Matrices whose low elements (0 for others) are all float16 numbers, and often enough could be nothing else."""
        proof = (low > 0) & _float16(low) & _tells_float16(low)
        shown: Bools = (proof.sum(axis=0) >= self.min_records) & _float16(low).all(axis=0)
        return shown

    def _finding(
        self, run: Run, names: list[str], of: tuple[int, float], ends: tuple[int, int]
    ) -> Finding:
        every, most = of
        zeros = np.stack([run[q.GRADIENT_ZERO_SHARE].column(name) for name in names], axis=1)
        lost = float(median(zeros.ravel()))
        message = _MESSAGE.format(
            count=str(len(names)),
            all=str(every),
            largest=short_number(most),
            tiny=short_number(_TINY),
            percent=f"{100 * lost:.0f}",
            names=listed(compact(names, run[q.GRADIENT_ABS_MAX].columns)),
        )
        evidence = Evidence(q.GRADIENT_ZERO_SHARE.name, names[0], *ends, lost, self.max_zero)
        numbers = {"matrices": len(names), "zero_share": lost}
        return Finding(self.code, self.severity, "", (evidence,), message, _ADVICE, numbers)


def _float16(values: Floats) -> Bools:
    """Whether float16 holds these numbers exactly."""
    same: Bools = values.astype(np.float16).astype(np.float32) == values
    return same


def _tells_float16(values: Floats) -> Bools:
    """Whether a bfloat16 number could not be (or would rarely be) exactly this float16 one."""
    bfloat16 = (values.view(np.uint32) & 0xFFFF) == 0
    tells: Bools = ~bfloat16 | (values < _BFLOAT16_SHOWS)
    return tells


def _window(steps: Steps, low: Bools, shown: Bools) -> tuple[int, int]:
    rows = np.flatnonzero(low[:, shown].any(axis=1))
    return int(steps[rows[0]]), int(steps[rows[-1]])
