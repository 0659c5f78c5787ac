"""LD414 weights-without-price."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import Sighting, at_steps, columns, too_few
from tb_lossdiag.diagnosis.rule import Evidence, Finding, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "The loss is {form} times something in all {checks} check-ups up to step {step}, with p for `{name}`, which is trained: it makes the loss smaller by itself, and nothing in the loss asks for the opposite. By now the same errors cost {percent}% of what they cost at the start."
)
_FORMS = ("exp(-p)", "exp(-2p)", "p", "1/p", "1/p²")
"""As `FREE_KIND` numbers them."""
_ADVICE = Text("""Weights that are learned need a price, or all of them go to 0 and nothing else is learned. The likelihood that they come from has one, the logarithm of the deviation:

```python
log_var = torch.nn.Parameter(torch.zeros(2))  # into the optimizer, too
losses = torch.stack([torch.nn.functional.cross_entropy(model(x), target), model(x).square().mean()])
loss = (torch.exp(-log_var) * losses + log_var).sum()  # the last term is the price
```

With it a loss may go below zero, which is no fault: a likelihood of continuous values may. Watch the losses before they are weighed.""")


@dataclass(frozen=True)
class WeightsWithoutPrice:
    """What weighs the loss is learned, and costs nothing.

    Why it matters: the cheapest way to a smaller loss is a smaller weight. The loss falls for ever, less and less of it is about the data, and
    the steps get smaller with the weights.

    How it decides: of a parameter of few numbers that belongs to no layer, gradients and the value that is backpropagated agree with Euler's
    theorem, but for `max_deviation` of that value: the loss is a multiple of exp(-p), exp(-2p), p, 1/p or 1/p². So in all check-ups, at least
    `min_checks`, in one form; and by the last one the parameter has gone so far that it makes the loss `max_left` of what it was or less. Unit: 1.

    What to try first: add the logarithm that the likelihood has.

    Guards against: weights with a price, whose gradients don't agree; weights that are made to one sum after each step, as in GradNorm, which
    don't fall; temperatures and gates, of which the loss is no multiple; losses below zero.

    References: Kendall, Gal and Cipolla 2018, Multi-Task Learning Using Uncertainty (arXiv 1705.07115), equation 7;
    yaringal/multi-task-learning-example issue 6.
    """

    code: ClassVar[str] = "LD414"
    name: ClassVar[str] = "weights-without-price"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("What weighs the loss costs nothing")
    reads: ClassVar[tuple[Quantity, ...]] = (
        q.FREE_DEVIATION,
        q.FREE_KIND,
        q.FREE_MEAN,
        q.FREE_SIZE,
    )
    may_read: ClassVar[tuple[Quantity, ...]] = ()
    explains: ClassVar[tuple[str, ...]] = ("LD401", "LD402", "LD602", "LD608")

    #: of the value that is backpropagated, 1; sums in single precision agree within 1e-6, half precision within this
    max_deviation: float = 1e-3
    #: check-ups; that many do not agree by chance
    min_checks: int = 3
    #: of the loss that it made at first, 1; weights that are held to one sum move by their rounding alone
    max_left: float = 0.95

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding per parameter that makes the loss smaller for nothing."""
        seen = [each for each in columns(run, q.FREE_DEVIATION) if len(each.steps)]
        if not any(len(each.steps) >= self.min_checks for each in seen):
            raise too_few(
                self.min_checks, Text("check-ups of a parameter that belongs to no layer")
            )
        for each in seen:
            if len(each.steps) >= self.min_checks and (each.values <= self.max_deviation).all():
                yield from self._judged(run, each)

    def _judged(self, run: Run, seen: Sighting) -> Iterator[Finding]:
        kinds = at_steps(run, q.FREE_KIND, seen.steps, seen.column)[1:]
        if np.ptp(kinds) != 0:  # numbers that are all 1 at first are of several forms
            return
        mean, size = (
            at_steps(run, quantity, seen.steps[[0, -1]], seen.column)
            for quantity in (q.FREE_MEAN, q.FREE_SIZE)
        )
        kind = int(kinds[0])
        left = _left(kind, float(mean[1] - mean[0]), float(size[0]), float(size[1]))
        if not left <= self.max_left:
            return
        ends = int(seen.steps[0]), int(seen.steps[-1])
        message = _MESSAGE.format(
            form=_FORMS[kind],
            name=seen.column,
            checks=str(len(seen.steps)),
            step=str(ends[1]),
            percent=short_number(100 * left),
        )
        worst = float(seen.values.max())
        evidence = Evidence(q.FREE_DEVIATION.name, seen.column, *ends, worst, self.max_deviation)
        numbers = {"left": left, "check_ups": len(seen.steps)}
        yield Finding(self.code, self.severity, seen.column, (evidence,), message, _ADVICE, numbers)


def _left(kind: int, moved: float, before: float, after: float) -> float:
    """What the parameter makes of the loss, of what it made at first."""
    if kind < 2:  # noqa: PLR2004  (exponentials)
        return math.exp(-(kind + 1) * moved)
    if before <= 0 or after <= 0:
        return math.nan
    power = {2: 1, 3: -1, 4: -2}[kind]
    return (after / before) ** power
