"""LD801 amp-step-skips."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import columns, too_few, value_in_force
from tb_lossdiag.analysis.skipped import never_steps
from tb_lossdiag.diagnosis import settings
from tb_lossdiag.diagnosis.rule import Evidence, Finding, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "The GradScaler skipped {skipped} of {steps} steps ({percent}%) after its scale had settled{scale}."
)
_ALL = Text(
    "The GradScaler skipped {skipped} of {steps} steps ({percent}%), the first ones and all after its scale should have settled{scale}: nothing is trained."
)
_SCALE = Text("; the scale is {scale} now")
_ADVICE = Text("""A skip now and then is how the scaler finds its scale (one in `growth_interval`, 2000 by default). This many mean that gradients
overflow float16 whatever the scale:

- Use bfloat16 if the device has it: it has float32's range and needs no scaler.
- Find what overflows: a loss summed instead of averaged, attention scores, a division by a small variance. Compute it in float32:

```python
with torch.autocast("cuda", enabled=False):
    loss = criterion(logits.float(), target)
```

- A `growth_interval` that was set to a small number makes the scaler try too often.""")
_ALL_ADVICE = Text("""Some gradient is NaN or infinite whatever the scale, so the scaler is right to skip. Find it in one step without scaler and autocast:

```python
optimizer.zero_grad()
criterion(model(x), y).backward()
for name, parameter in model.named_parameters():
    if parameter.grad is not None and not parameter.grad.isfinite().all():
        print(name)
```

If that prints nothing, something overflows in float16 alone: use bfloat16, or compute the loss and whatever divides or takes a logarithm in
float32.""")


@dataclass(frozen=True)
class AmpStepSkips:
    """The GradScaler skips many steps because gradients overflow.

    Why it matters: a skipped step is a batch thrown away, and the batches that overflow are not random ones.

    How it decides: skipped steps over all steps, after the first `search` steps, is above `max_share`, with at least `min_skipped`
    of them and `min_steps` steps. An error where at least `all_skipped` of all steps are, the first ones too, which `min_all` steps after the
    search show. Unit: share of steps.

    What to try first: bfloat16, or float32 for the part that overflows.

    Guards against: the search for the scale at the start; the regular trial when the scale grows; runs too short to tell.

    References: PyTorch, `torch.amp.GradScaler`; Micikevicius et al. 2018 (arXiv 1710.03740).
    """

    code: ClassVar[str] = "LD801"
    name: ClassVar[str] = "amp-step-skips"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("Mixed precision skips steps")
    reads: ClassVar[tuple[Quantity, ...]] = (q.AMP_SKIPPED,)
    may_read: ClassVar[tuple[Quantity, ...]] = (q.AMP_SCALE,)
    explains: ClassVar[tuple[str, ...]] = ("LD104", "LD105", "LD109", "LD523", "LD605")
    setting: ClassVar[str] = settings.PRECISION

    #: share of steps, 1; a scaler that works skips one in two thousand
    max_share: float = 0.05
    #: steps at the beginning; from 2^16, thirty halvings would leave 6e-5: no search takes longer
    search: int = 30
    #: steps; two or three can be one bad stretch of data
    min_skipped: int = 5
    #: steps after the search
    min_steps: int = 100
    #: share of all steps, 1; not one in twenty is taken
    all_skipped: float = 0.95
    #: steps after the search, where all are skipped
    min_all: int = 10

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield one finding for the run."""
        for column, steps, skipped in columns(run, q.AMP_SKIPPED):
            first = int(steps[0]) if len(steps) else 0
            after = steps >= first + self.search
            covered = int(steps[-1]) - first - self.search + 1 if len(steps) else 0
            every = never_steps(run, column, self.all_skipped)
            if covered < (self.min_all if every else self.min_steps):
                raise too_few(self.min_steps, Text("steps after the scale search"))
            count = float(np.maximum(skipped[after], 0.0).sum())
            share = count / max(covered, count)
            if count >= self.min_skipped and share > self.max_share:
                rows = np.flatnonzero(after & (skipped > 0))
                ends = int(steps[rows[0]]), int(steps[rows[-1]])
                yield self._finding(run, column, ends, (count, covered), every=every)

    def _finding(
        self,
        run: Run,
        column: str,
        ends: tuple[int, int],
        counts: tuple[float, int],
        *,
        every: bool,
    ) -> Finding:
        count, covered = counts
        share = count / max(covered, count)
        now = value_in_force(run, q.AMP_SCALE, ends[1], column)
        scale = _SCALE.format(scale=short_number(now)) if np.isfinite(now) else Text("")
        words = {
            "skipped": short_number(count),
            "steps": str(covered),
            "percent": short_number(100 * share),
        }
        message = (_ALL if every else _MESSAGE).format(scale=scale, **words)
        advice = _ALL_ADVICE if every else _ADVICE
        severity = Severity.ERROR if every else self.severity
        evidence = Evidence(q.AMP_SKIPPED.name, column, *ends, share, self.max_share)
        numbers = {"skipped": count, "share": share}
        return Finding(self.code, severity, "", (evidence,), message, advice, numbers)
