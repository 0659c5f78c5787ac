"""LD207 gradient-noise."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.curve import curve_of
from tb_lossdiag.diagnosis.rule import Evidence, Finding, NotEnough, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.records import Doubles, Steps
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "The gradient of a step (batch {batch}, of {parts} parts) is mostly noise: the gradient noise scale is about {scale}, {times} times the batch, over {records} check-ups."
)
_ADVICE = Text("""Twice the batch would give almost twice the progress per step now, so steps are cheap to trade for it: accumulate more parts before each step, or lower the learning rate late in the training, which averages over steps instead.

```python
parts = {more}  # instead of {parts}
for index, (inputs, targets) in enumerate(loader):
    (criterion(model(inputs), targets) / parts).backward()
    if (index + 1) % parts == 0:
        optimizer.step()
        optimizer.zero_grad()
```

If the training goes well as it is, leave it: small batches cost nothing but the last bit of the loss.""")


@dataclass(frozen=True)
class GradientNoise:
    """The gradient of a batch is mostly noise.

    Why it matters: steps in random directions cancel out; a larger batch or a smaller learning rate gets further with the same data.

    How it decides: with gradient accumulation, the norm after the first backward pass and after the last give the gradient of a
    small and of a large batch. From their mean squares follow the true gradient's square and the noise, and from those the simple
    noise scale B = trace of the covariance / squared gradient: the batch at which both are alike. It fires if B is at least
    `min_ratio` times the batch, while the loss has lost less than `learned` of its start. Unit: samples.

    What to try first: accumulate more parts per step.

    Guards against: fewer than `min_parts` backward passes per step, which may be several losses rather than parts of a batch, and
    gradients that were there before (both not evaluated); a converged run, whose true gradient is 0. It is only an information.

    References: McCandlish et al. 2018, An Empirical Model of Large-Batch Training (arXiv 1812.06162), appendix A.1.
    """

    code: ClassVar[str] = "LD207"
    name: ClassVar[str] = "gradient-noise"
    severity: ClassVar[Severity] = Severity.INFO
    title: ClassVar[Text] = Text("The gradient is mostly noise")
    reads: ClassVar[tuple[Quantity, ...]] = (
        q.BACKWARDS,
        q.FIRST_BACKWARD_NORM,
        q.BACKWARD_NORM,
        q.BATCH_SIZE,
    )
    may_read: ClassVar[tuple[Quantity, ...]] = (q.CARRIED_NORM, q.LOSS)
    explains: ClassVar[tuple[str, ...]] = ()

    #: noise scale over the batch, 1; below, a larger batch saves steps but costs samples (1812.06162, section 2.2)
    min_ratio: float = 10.0
    #: backward passes per step, 1; two or three are often two or three losses
    min_parts: int = 4
    #: check-ups; the estimate of the true gradient is a difference and wants an average
    min_checks: int = 8
    #: share of the starting loss, 1; later the true gradient goes to 0 by itself
    learned: float = 0.8

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding per watched model."""
        tables = run.aligned(*self.reads)
        judged = False
        for name in tables[0].columns:
            rows = np.stack([table.column(name).astype(np.float64) for table in tables])
            good = np.isfinite(rows).all(axis=0) & (rows[0] >= self.min_parts) & (rows[1] > 0)
            good &= self._fresh(run, tables[0].steps, name) & self._unlearned(run, tables[0].steps)
            if good.sum() >= self.min_checks:
                judged = True
                yield from self._judge(name, tables[0].steps[good], rows[:, good])
        if not judged:
            raise NotEnough(
                Text(
                    "at least {min_checks} check-ups of steps that accumulate {min_parts} or more backward passes"
                ).format(min_checks=self.min_checks, min_parts=self.min_parts)
            )

    def _fresh(
        self, run: Run, steps: Steps, name: str
    ) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """bool[T]: no gradient was there before the first part."""
        if q.CARRIED_NORM not in run:
            return np.ones(len(steps), bool)
        fresh: np.ndarray[tuple[int], np.dtype[np.bool_]] = ~(
            run[q.CARRIED_NORM].at(steps, [name])[:, 0] > 0
        )
        return fresh

    def _unlearned(self, run: Run, steps: Steps) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        loss = curve_of(run, q.LOSS) if q.LOSS in run else None
        if loss is None or not len(loss):
            return np.ones(len(steps), bool)
        unlearned: np.ndarray[tuple[int], np.dtype[np.bool_]] = loss.fall_at(steps) < self.learned
        return unlearned

    def _judge(self, name: str, steps: Steps, rows: Doubles) -> Iterator[Finding]:
        parts, first, last, size = rows
        # Whether the parts were divided by their number or not, this is the mean's square over a part's. A mean of ratios would
        # be led by the steps whose first part happened to be small.
        ratio = float(np.mean(last**2) / np.mean((parts * first) ** 2))
        small, count = float(np.median(size)), float(np.median(parts))
        big = small * count
        scale = _noise_scale(ratio, small, big)
        if scale < self.min_ratio * big:
            return
        words = {
            "batch": short_number(big),
            "parts": short_number(count),
            "scale": short_number(float(f"{scale:.1g}")),
            "times": short_number(float(f"{scale / big:.1g}")),
            "records": str(len(steps)),
        }
        ends = int(steps[0]), int(steps[-1])
        evidence = Evidence(q.BACKWARD_NORM.name, name, *ends, scale / big, self.min_ratio)
        advice = _ADVICE.format(parts=short_number(count), more=short_number(4 * count))
        message = _MESSAGE.format(**words)
        numbers = {"scale": scale, "batch": big}
        yield Finding(self.code, self.severity, name, (evidence,), message, advice, numbers)


def _noise_scale(ratio: float, small: float, big: float) -> float:
    """Noise scale in samples, from the mean square of the big batch's gradient over that of the small one's.

    At least one thousandth of the square counts as true gradient: more noise than that cannot be told from these norms.
    """
    gradient = max((big * ratio - small) / (big - small), 1e-3)
    noise = (1 - ratio) / (1 / small - 1 / big)
    return max(noise, 0.0) / gradient
