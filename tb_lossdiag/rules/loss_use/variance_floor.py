"""LD534 variance-floor."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import columns, too_few
from tb_lossdiag.diagnosis.rule import Evidence, Finding, Severity, Text
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "A softplus or a ReLU stands before the exponential of a log variance, so no deviation can be below 1: {percent}% of them lie at that floor at the end (step {step})."
)
_ADVICE = Text("""A logarithm may be negative: leave the layer's answer as it is, and clamp it only where the exponential would overflow:

```python
mean, log_variance = encoder(x).chunk(2, dim=1)
log_variance = log_variance.clamp(-10, 10)
deviation = torch.exp(0.5 * log_variance)
```

Where a softplus is wanted, let it make the deviation itself: `deviation = torch.nn.functional.softplus(answer) + 1e-4`, and take `deviation.log()`
in the loss.""")


@dataclass(frozen=True)
class VarianceFloor:
    """What stands for the logarithm of a variance can't be negative.

    Why it matters: a variance is 1 at least then. A code can't be surer than its prior, so an autoencoder's codes drown in noise and its
    pictures blur; a forecast can't say that it knows better, and its likelihood stops where it could still fall.

    How it decides: numbers behind a softplus, a ReLU or a clamp at 0 stand in a loss both under an exponential and by themselves, as a log
    variance does in each likelihood and divergence (or the logarithm of that exponential is taken again). In the last `min_checks`
    check-ups at least `min_share` of them are below 0.1. Unit: share of the numbers.

    What to try first: take the activation away.

    Guards against: softplus that makes the deviation or the variance itself; rates of counts, which stand beside what was counted; hazards,
    whose exponential leaves a chance; densities, whose exponential is compared with data; variances that are above 1 anyway.

    References: Kingma and Welling 2014, Auto-Encoding Variational Bayes (arXiv 1312.6114), appendix B; wohlert/semi-supervised-pytorch
    issue 16.
    """

    code: ClassVar[str] = "LD534"
    name: ClassVar[str] = "variance-floor"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("A log variance that can't be negative")
    reads: ClassVar[tuple[Quantity, ...]] = ()
    may_read: ClassVar[tuple[Quantity, ...]] = (q.VARIANCE_FLOORED,)
    explains: ClassVar[tuple[str, ...]] = ("LD104", "LD109", "LD402", "LD407", "LD511", "LD523")

    #: share of the numbers, 1; a quarter of them would be smaller
    min_share: float = 0.25
    #: check-ups; numbers begin somewhere, and the newest say where they went
    min_checks: int = 2

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding if the floor holds many."""
        seen = list(columns(run, q.VARIANCE_FLOORED))
        if not any(len(each.steps) > self.min_checks for each in seen):
            raise too_few(
                self.min_checks + 1,
                Text("check-ups that see a log variance behind a softplus or a ReLU"),
            )
        for column, steps, shares in seen:
            last = shares[-self.min_checks :]
            if len(steps) > self.min_checks and (last >= self.min_share).all():
                share, ends = float(last[-1]), (int(steps[-self.min_checks]), int(steps[-1]))
                evidence = Evidence(q.VARIANCE_FLOORED.name, column, *ends, share, self.min_share)
                message = _MESSAGE.format(percent=f"{100 * share:.0f}", step=str(ends[1]))
                numbers = {"share": share}
                yield Finding(
                    self.code, self.severity, column, (evidence,), message, _ADVICE, numbers
                )
