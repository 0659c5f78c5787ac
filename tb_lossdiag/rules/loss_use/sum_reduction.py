"""LD507 sum-reduction."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.levels import Bools
from tb_lossdiag.analysis.loss_calls import CLASSES, LossCallSeries, calls, counts, mostly
from tb_lossdiag.analysis.parameters import Family, family, rate
from tb_lossdiag.analysis.progress import has_learned
from tb_lossdiag.diagnosis.rule import Finding, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "`{call}` sums over the batch in {count} of {checks} check-ups. Loss and gradients are {times} times those of the mean, and change with the batch size{rate}."
)
_RATE = Text(": `lr` {lr} acts like {times_lr} on the mean")
_NO_RATE = Text("")
_ADVICE = Text("""Take the mean, and the learning rate means what it means elsewhere:

```python
loss = torch.nn.functional.{function}(output, target, reduction="mean")
```

To sum over the outputs of a sample but not over the batch, divide: `loss = summed / len(target)`. To change nothing but the scale,
use {times} times the learning rate with the mean; but a rate that was chosen for the sum is often the fault.""")


@dataclass(frozen=True)
class SumReduction:
    """The loss is summed over the batch, not averaged.

    Why it matters: with SGD the step grows with the batch size. A learning rate from elsewhere is then hundreds of times too large,
    the last, smaller batch counts less, and a bound for clipping means something else.

    How it decides: `reduction="sum"` in most check-ups of a loss over at least `min_samples` samples, with an optimizer whose steps are
    in proportion to the gradient. A warning if the loss broke or has lost less than `min_learned` of its start; else an information.

    What to try first: `reduction="mean"`, or divide by the batch size.

    Guards against: Adam and its kin, whose steps don't depend on the gradient's scale (nothing is said); VAE losses summed over pixels
    that train well (information at most); batches of one.

    References: Goyal et al. 2017, section 3 (arXiv 1706.02677), on the scale of the loss and the learning rate; TheDeepChecker (Ben Braiek
    and Khomh 2023), sum as the loss's reduction.
    """

    code: ClassVar[str] = "LD507"
    name: ClassVar[str] = "sum-reduction"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("The loss is summed over the batch")
    reads: ClassVar[tuple[Quantity, ...]] = (q.CALL_SUMMED, q.CALL_SAMPLES)
    may_read: ClassVar[tuple[Quantity, ...]] = (
        q.CALL_OUTPUTS,
        q.CALL_VALUE,
        q.CALL_BASELINE,
        q.LEARNING_RATE,
        q.LOSS,
        q.LOSS_NONFINITE,
        q.LOSS_TERM,
        q.STEPS,
        q.EXTRA,
        q.CALL_TARGET_MEAN,
        q.CALL_TARGET_STD,
    )
    explains: ClassVar[tuple[str, ...]] = (
        "LD101", "LD102", "LD103", "LD104", "LD105", "LD106", "LD202", "LD205", "LD301", "LD523", "LD601", "LD608", "LD701", "LD704", "LD705", "LD722",
    )  # fmt: skip

    #: samples; the sum over one or two hardly differs from the mean
    min_samples: int = 4
    #: share of the starting loss, 1; a learning rate that fits the sum is no fault
    min_learned: float = 0.5

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding per summed call, if the optimizer's steps follow the gradient's scale."""
        for call in calls(run):
            summed = call.of(q.CALL_SUMMED)
            known = ~np.isnan(summed) & (call.of(q.CALL_SAMPLES) >= self.min_samples)
            hits = known & (summed == 1)
            if mostly(hits, known, 1) and family(run) is not Family.ADAM:
                yield self._finding(run, call, hits, known)

    def _finding(self, run: Run, call: LossCallSeries, hits: Bools, known: Bools) -> Finding:
        outputs = (
            1.0
            if call.function in CLASSES
            else np.nan_to_num(call.typical(q.CALL_OUTPUTS), nan=1.0)
        )
        times, lr = call.typical(q.CALL_SAMPLES) * float(outputs), rate(run)
        acts = (
            _NO_RATE
            if not lr
            else _RATE.format(lr=short_number(lr), times_lr=short_number(lr * times))
        )
        words = {
            "call": call.name,
            **counts(hits, known),
            "times": short_number(times),
        }
        message = _MESSAGE.format(rate=acts, **words)
        function = "mse_loss" if call.function == "custom" else call.function
        advice = _ADVICE.format(function=function, times=short_number(times))
        harmful = family(run) is Family.SGD and not has_learned(run, self.min_learned)
        severity = self.severity if harmful else Severity.INFO
        evidence = call.evidence(q.CALL_SUMMED, hits, 1.0, 0.0)
        return Finding(
            self.code, severity, call.name, (evidence,), message, advice, {"times": times}
        )
