"""LD206 non-finite-gradient."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis import non_finite
from tb_lossdiag.analysis.batches import batch_of
from tb_lossdiag.analysis.non_finite import Broken
from tb_lossdiag.diagnosis.rule import Evidence, Finding, Severity, Text
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "The gradient of `{name}` was the first that was not finite, at step {step}; {count} of {all} parameters were hit there, and {records} of {total} records in all. {before}{batch}"
)
_FINITE = Text("The loss was finite at that step, so it was the backward pass that broke.")
_NO_LOSS = Text("Whether the loss was finite then is not recorded.")
_WEIGHTS = Text("The parameter `{name}` was not finite before (step {step}).")
_ACTIVATION = Text("The output of `{name}` was not finite (step {step}).")
_ADVICE = Text("""A finite loss with a gradient that is not comes from a function with an infinite slope: `sqrt`, `norm` or `std` at 0, `log` or `x ** p` at 0, `acos` at 1, division by something tiny, `exp` that overflows. `torch.where` does not protect: the gradient of the branch that was not taken is 0 x infinity. Make the argument safe instead, near `{name}` or after it:

```python
torch.autograd.set_detect_anomaly(True)  # names the operation; slow, for the search only
distance = (x.square().sum(-1) + 1e-8).sqrt()  # not x.norm(dim=-1) where x may be 0
```

Until it is found, leave such a step out, so that it cannot reach the weights:

```python
gradients = [p.grad for p in model.parameters() if p.grad is not None]
if all(torch.isfinite(gradient).all() for gradient in gradients):
    optimizer.step()
```""")


@dataclass(frozen=True)
class NonFiniteGradient:
    """A gradient became NaN or infinite while the loss was still finite.

    Why it matters: one update with it destroys the parameters, and from then on every loss is NaN.

    How it decides: the first step at which an element of a gradient is NaN or infinite, if no loss or loss term was before it or at
    that step (then LD101 tells the cause). It names the broken parameter nearest to the output, for NaN spreads from there
    towards the input, and says whether weights or activations were broken before. If fewer than `max_survived` of the records
    are hit and the last one is not, it is a warning. Unit: elements.

    What to try first: anomaly detection at that step; protect `sqrt`, `norm`, `log` and divisions.

    Guards against: the loss as origin; overflows that a GradScaler skips (if one is recorded and the gradients become finite
    again: LD801); gradients that don't exist.

    References: PyTorch, `torch.autograd.set_detect_anomaly`; PyTorch issue 10729 (`torch.where` and NaN gradients).
    """

    code: ClassVar[str] = "LD206"
    name: ClassVar[str] = "non-finite-gradient"
    severity: ClassVar[Severity] = Severity.ERROR
    title: ClassVar[Text] = Text("Gradients are NaN or infinite")
    reads: ClassVar[tuple[Quantity, ...]] = (q.GRADIENT_NONFINITE,)
    may_read: ClassVar[tuple[Quantity, ...]] = (
        q.LOSS_NONFINITE,
        q.LOSS_TERM_NONFINITE,
        q.NONFINITE_STEPS,
        q.PARAMETER_NORM,
        q.ACTIVATION_NONFINITE,
        q.AMP_SCALE,
    )
    explains: ClassVar[tuple[str, ...]] = ("LD101", "LD102", "LD205", "LD304", "LD705", "LD802")

    #: share of records, 1; a loop that leaves such steps out survives a few
    max_survived: float = 0.01

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield one finding for the first broken gradient that no broken loss explains."""
        first, loss = non_finite.first_gradient(run), non_finite.first_loss(run)
        if first is None or (loss is not None and loss.step <= first.step):
            return
        if non_finite.scaled(run) and non_finite.survives(run):
            return
        yield self._finding(run, first)

    def _finding(self, run: Run, first: Broken) -> Finding:
        table = run[q.GRADIENT_NONFINITE]
        bad = table.values > 0
        rows = np.flatnonzero(bad.any(axis=1))
        known = ~np.isnan(table.values)
        hit, total = len(rows), int(known.any(axis=1).sum())
        before = _before(run, first)
        words = {
            "name": first.column,
            "step": str(first.step),
            "count": str(int(bad[rows[0]].sum())),
            "all": str(int(known[rows[0]].sum())),
            "records": str(hit),
            "total": str(total),
        }
        message = _MESSAGE.format(before=before, batch=batch_of(run, first.step), **words)
        last = int(table.steps[rows[-1]])
        evidence = Evidence(q.GRADIENT_NONFINITE.name, first.column, first.step, last)
        survived = non_finite.survives(run) and hit < self.max_survived * total
        severity = Severity.WARNING if survived else self.severity
        advice = _ADVICE.format(name=first.column)
        numbers = {"records": hit, "total": total}
        return Finding(
            self.code, severity, first.column, (evidence,), message, advice, numbers, first.step
        )


def _before(run: Run, first: Broken) -> Text:
    """What was broken before the gradient, else that nothing was."""
    weight, activation = non_finite.first_weight(run), non_finite.first_activation(run)
    if weight is not None and weight.step <= first.step:
        return _WEIGHTS.format(name=weight.column, step=str(weight.step))
    if activation is not None and activation.step <= first.step:
        return _ACTIVATION.format(name=activation.column, step=str(activation.step))
    return _FINITE if q.LOSS_NONFINITE in run else _NO_LOSS
