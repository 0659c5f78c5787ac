"""LD508 outlier-dominated-loss."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.levels import Bools
from tb_lossdiag.analysis.loss_calls import LossCallSeries, calls, counts
from tb_lossdiag.analysis.reinforcement import is_reinforcement
from tb_lossdiag.diagnosis.rule import Finding, NotEnough, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "In {count} of {checks} check-ups the worst 1% of the elements made {share}% of `{call}`; {expected}% would be normal."
)
_ADVICE = Text("""Look at those samples first: wrong units, sensor faults and missing values coded as -999 look like this. If they are real, let single
ones count less:

```python
loss = torch.nn.functional.huber_loss(output, target, delta={delta})  # squared near 0, linear beyond delta
```

| loss | counts an error as | use it when |
|---|---|---|
| MSE | its square | errors are normally distributed |
| Huber | its square, beyond delta its size | most errors are normal, some are not |
| MAE | its size | the median is what you want |

A target that spans orders of magnitude is better learned as its logarithm.""")


@dataclass(frozen=True)
class OutlierDominatedLoss:
    """A few samples make most of a squared loss.

    Why it matters: the square lets one error of 30 weigh as much as nine hundred of 1. The model is fitted to the outliers, and every
    batch that holds one jumps.

    How it decides: the worst 1% of the elements (at least one) make at least `min_share` of `mse_loss` and `min_factor` times what they would if
    errors were normally distributed, in at least `min_hits` check-ups and `min_often` of those that know, which are `min_checks` or more.
    Unit: 1.

    What to try first: look at those samples; then the Huber loss.

    Guards against: small batches (the expected share grows as they shrink); outputs of more than `max_outputs` elements such as images
    and heat maps, where few elements matter by design, unless a target is `min_far` off and `min_filled` shows that the others are no background (a sensor's series); single check-ups; rewards that are rare by design.

    References: Huber 1964, "Robust estimation of a location parameter"; Hastie, Tibshirani and Friedman 2009, section 10.6.
    """

    code: ClassVar[str] = "LD508"
    name: ClassVar[str] = "outlier-dominated-loss"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("Outliers dominate the loss")
    reads: ClassVar[tuple[Quantity, ...]] = (q.CALL_TOP_SHARE, q.CALL_TOP_EXPECTED)
    may_read: ClassVar[tuple[Quantity, ...]] = (
        q.CALL_OUTPUTS, q.CALL_TARGET_MEAN, q.CALL_TARGET_STD, q.CALL_TARGET_MIN,
        q.CALL_TARGET_MAX, q.LOSS_TERM, q.EXTRA,
    )  # fmt: skip
    explains: ClassVar[tuple[str, ...]] = (
        "LD103",
        "LD104",
        "LD105",
        "LD202",
        "LD203",
        "LD301",
        "LD523",
    )

    #: share of the summed loss, 1; half is what "dominates" means
    min_share: float = 0.5
    #: over the share under normal errors, 1; few elements have a large share by themselves
    min_factor: float = 3.0
    #: elements of the output per sample; more are a picture, not a measurement
    max_outputs: int = 16
    #: standard deviations between a target and the mean, 1; beyond, a series of any length has outliers
    min_far: float = 10.0
    #: what the mean lies above the lowest and below the highest target, in standard deviations, multiplied, 1; exactly 1 where there are two values, 2 for blobs on a background
    min_filled: float = 5.0
    #: check-ups; fewer are no sample of the batches
    min_checks: int = 4
    #: check-ups with such a share; one or two may be chance
    min_hits: int = 3
    #: share of the check-ups, 1; what is rarer than one sample in a batch is not in every batch
    min_often: float = 0.3

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding per squared loss that few elements dominate."""
        if is_reinforcement(run):
            raise NotEnough(Text("a loss of samples: an agent's rewards are rare by design"))
        found = calls(run, ("mse_loss",))
        if (
            max(int((~np.isnan(call.of(q.CALL_TOP_SHARE))).sum()) for call in found)
            < self.min_checks
        ):
            least = self.min_checks
            raise NotEnough(
                Text("at least {least} check-ups with 50 elements or more").format(least=least)
            )
        for call in found:
            share, expected = call.of(q.CALL_TOP_SHARE), call.of(q.CALL_TOP_EXPECTED)
            picture = (call.of(q.CALL_OUTPUTS) > self.max_outputs) & ~self._far_off(call)
            known = ~np.isnan(share) & ~picture
            hits = (share >= self.min_share) & (share >= self.min_factor * expected)
            count = (hits & known).sum()
            if count >= max(self.min_hits, self.min_often * known.sum()):
                yield self._finding(call, hits & known, known)

    def _far_off(self, call: LossCallSeries) -> Bools:
        """bool[N]: whether a target lies far off the others, and these are no background of one value."""
        mean, std = call.of(q.CALL_TARGET_MEAN), call.of(q.CALL_TARGET_STD)
        below = (mean - call.of(q.CALL_TARGET_MIN)) / std
        above = (call.of(q.CALL_TARGET_MAX) - mean) / std
        far: Bools = (np.fmax(below, above) >= self.min_far) & (below * above >= self.min_filled)
        return far

    def _finding(self, call: LossCallSeries, hits: Bools, known: Bools) -> Finding:
        share = float(np.median(call.of(q.CALL_TOP_SHARE)[hits]))
        expected = float(np.median(call.of(q.CALL_TOP_EXPECTED)[hits]))
        message = _MESSAGE.format(
            call=call.name,
            **counts(hits, known),
            share=short_number(100 * share),
            expected=short_number(100 * expected),
        )
        spread = call.typical(q.CALL_TARGET_STD)
        delta = short_number(float(f"{0.1 * spread:.1g}")) if spread > 0 else "1.0"
        evidence = call.evidence(q.CALL_TOP_SHARE, hits, share, self.min_share)
        numbers = {"share": share, "expected": expected}
        advice = _ADVICE.format(delta=delta)
        return Finding(self.code, self.severity, call.name, (evidence,), message, advice, numbers)
