"""LD521 times-decide."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import at_steps, columns, too_few
from tb_lossdiag.analysis.curve import Curve, curve_of
from tb_lossdiag.diagnosis.rule import Evidence, Finding, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.records import Steps
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "The loss of the last half scatters by {scatter}% from record to record, and its level cannot be told from a flat one: {share}% of what tells samples apart is the number that each comes with (its time step), and the worst quarter of these costs {ratio} times the best one. Such a curve hides what is still learned; the model does better than any constant answer ({level}% of its error)."
)
_ADVICE = Text("""Log the loss by time step, and judge by that, or by one batch whose times and noise are drawn once and kept:

```python
each = torch.nn.functional.mse_loss(answer, wanted, reduction="none").flatten(1).mean(1)
for low, high in ((0, 250), (250, 500), (500, 750), (750, 1000)):
    chosen = each[(times >= low) & (times < high)]
    if len(chosen):
        writer.add_scalar("by_time/from_" + str(low), chosen.mean(), global_step=step)
```

What is made of the averaged weights tells more than either.""")
_MEDIAN = 1.25
"""Standard error of a median over that of a mean, for normal noise."""


class _Dial(NamedTuple):
    """What the last check-ups say of a loss call."""

    call: str
    steps: Steps
    share: float
    ratio: float
    level: float


@dataclass(frozen=True)
class TimesDecide:
    """A loss is flat and noisy because each record is of other time steps.

    Why it matters: a diffusion model's loss reaches its level within the first hundreds of steps, and pictures go on getting better for a hundred times as many. Who looks at the
    curve stops too early, or looks for a fault that is not there.

    How it decides: a model is given samples with a number for each (a quarter of them different or more, so no classes) and returns what has their shape. In
    the median of the last `checks` check-ups at least `min_share` of the scatter of squared errors lies between quarters of the batch by that number, and the mean
    error is at most `max_level` of the targets' variance, so that it has learned something. The medians of the third and the last quarter of the records do not
    differ by more than two standard errors, and records scatter by at least `min_scatter`. An information. Unit: share.

    What to try first: log the loss by quarter of the times.

    Guards against: a model that learns nothing, whose errors are the same at all times; losses that fall visibly; classes that are given with samples.

    References: Nichol and Dhariwal 2021, Improved denoising diffusion probabilistic models (arXiv 2102.09672), which draws time steps by
    importance, since those drawn evenly make the gradient noisy; Hang et al. 2023, Min-SNR weighting (arXiv 2303.09556); facebookresearch/DiT issue 17; huggingface/diffusers issue 3604.
    """

    code: ClassVar[str] = "LD521"
    name: ClassVar[str] = "times-decide"
    severity: ClassVar[Severity] = Severity.INFO
    title: ClassVar[Text] = Text("Time steps make the loss scatter")
    reads: ClassVar[tuple[Quantity, ...]] = (
        q.LOSS,
        q.CALL_DIAL_SHARE,
        q.CALL_DIAL_RATIO,
        q.CALL_DIAL_LEVEL,
    )
    may_read: ClassVar[tuple[Quantity, ...]] = ()
    explains: ClassVar[tuple[str, ...]] = ("LD104", "LD105", "LD523")

    #: share of the scatter of errors, 1; sound models have 0.5 to 0.8, one that learns nothing 0.1 at most
    min_share: float = 0.4
    #: of the targets' variance, 1; knowing nothing costs 1
    max_level: float = 0.9
    #: standard deviation of records over their level, 1; what is calmer can be read
    min_scatter: float = 0.05
    #: check-ups at the end
    checks: int = 3
    #: records; a quarter then has enough for a standard error
    min_records: int = 80

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield one finding for the call that is most so."""
        loss = curve_of(run, q.LOSS)
        loss.needs(self.min_records)
        dials = list(self._dials(run))
        if not dials:
            raise too_few(self.checks, Text("check-ups of a model that is given times of samples"))
        told = [d for d in dials if d.share >= self.min_share and d.level <= self.max_level]
        scatter = _scatter(loss)
        if told and scatter >= self.min_scatter and _flat(loss, scatter):
            yield self._finding(max(told, key=lambda each: each.share), scatter)

    def _dials(self, run: Run) -> Iterator[_Dial]:
        for call, steps, shares in columns(run, q.CALL_DIAL_SHARE):
            last = steps[-self.checks :]
            if len(last) == self.checks:
                ratio, level = (
                    float(np.median(at_steps(run, each, last, call)))
                    for each in (q.CALL_DIAL_RATIO, q.CALL_DIAL_LEVEL)
                )
                yield _Dial(call, last, float(np.median(shares[-self.checks :])), ratio, level)

    def _finding(self, dial: _Dial, scatter: float) -> Finding:
        message = _MESSAGE.format(
            scatter=f"{100 * scatter:.0f}",
            share=f"{100 * dial.share:.0f}",
            ratio=short_number(dial.ratio),
            level=f"{100 * dial.level:.0f}",
        )
        ends = int(dial.steps[0]), int(dial.steps[-1])
        evidence = Evidence(q.CALL_DIAL_SHARE.name, dial.call, *ends, dial.share, self.min_share)
        numbers = {"share": dial.share, "ratio": dial.ratio}
        return Finding(self.code, self.severity, dial.call, (evidence,), message, _ADVICE, numbers)


def _scatter(loss: Curve) -> float:
    """Standard deviation of the last half's records, by neighbours, over their level."""
    late = loss.values[loss.row(0.5) :]
    if len(late) < 2 or not np.isfinite(late).all():  # noqa: PLR2004  (two have a difference)
        return 0.0
    level = abs(float(np.median(late)))
    return float(np.std(np.diff(late)) / math.sqrt(2) / level) if level else 0.0


def _flat(loss: Curve, scatter: float) -> bool:
    """Whether the third and the last quarter may have one level."""
    third, last = (
        loss.values[loss.row(0.5) : loss.row(0.75)],
        loss.values[loss.row(0.75) :],
    )
    if not len(third) or not len(last):
        return False
    level = abs(float(np.median(last)))
    error = _MEDIAN * scatter * level * math.sqrt(1 / len(third) + 1 / len(last))
    return abs(float(np.median(third) - np.median(last))) <= 2 * error
