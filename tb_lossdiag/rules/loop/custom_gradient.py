"""LD630 custom-gradient."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import Sighting, at_steps, columns, not_recorded
from tb_lossdiag.analysis.levels import Bools
from tb_lossdiag.analysis.loss_calls import mostly
from tb_lossdiag.diagnosis.rule import Evidence, Finding, Severity, Text
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.records import Doubles
from tb_lossdiag.run import Run

Words = tuple[Text, Text]
"""Message and advice."""
_What = tuple[Quantity, Severity, float]
_REVERSING = re.compile(r"revers|revgrad|grl|flip|negat|adver", re.IGNORECASE)
"""Names of functions that are meant to turn a gradient round; a hint that allows it, and never enough to accuse of anything but keeping it."""
_KEPT = Text(
    "`{name}` is to turn the gradient round and hands it on with its sign, in {hits} of {checks} check-ups up to step {step}: what is behind it helps where it should hinder."
)
_TWICE = Text(
    "The gradient goes through `{name}` twice on its way to the same parameters, in {hits} of {checks} check-ups up to step {step}: turned round twice, it arrives as it was."
)
_TURNED = Text(
    "`{name}` turns the gradient round in {hits} of {checks} check-ups up to step {step}, and the parameters behind it are reached by no other way: they are trained to make the loss larger."
)
_LOST = Text(
    "`{name}` hands on a gradient of exactly 0 in all {checks} check-ups up to step {step}, whatever arrives at it: nothing behind it learns through it."
)
_BROKEN = Text(
    "`{name}` makes NaN or infinity of finite gradients, in {hits} of {checks} check-ups up to step {step}."
)
_REVERSAL_ADVICE = Text("""One minus, in one place: a function that turns the gradient round, and a strength that is not negative.

```python
class Reversed(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, strength):
        ctx.strength = strength
        return x.view_as(x)

    @staticmethod
    def backward(ctx, gradient):
        return -ctx.strength * gradient, None
```

With it, the term is added to the loss: `loss - term`, swapped labels or a second reversal turn it back.""")
_BACKWARD_ADVICE = Text("""`backward` gives back what the loss changes by when the input of `forward` grows: a step function that is to let gradients through
returns them as they come.

```python
class Rounded(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.round()

    @staticmethod
    def backward(ctx, gradient):
        return gradient
```

A smooth function can be checked: `torch.autograd.gradcheck(Square.apply, torch.randn(3, dtype=torch.float64, requires_grad=True))`.
Without a function of one's own the same is `x + (x.round() - x).detach()`.""")


@dataclass(frozen=True)
class CustomGradient:
    """A custom autograd function turns gradients round, loses or breaks them, or fails to turn them.

    Why it matters: autograd believes whatever `backward` gives back. The loss falls as far as the rest of the model carries it.

    How it decides: the gradient on both sides of each custom function, in check-ups. A function whose name says that it turns gradients
    round hands them on with a cosine of at least `min_cosine`, or stands twice on one way; any other turns them round although no other
    way leads to the parameters behind it; or the gradient is exactly 0 behind it in every check-up. Each in at least `min_checks`
    check-ups and more than half of them. Finite gradients become NaN in at least `min_checks`. Unit: cosine.

    What to try first: compare `backward` with the definition, and count the minus signs on the way.

    Guards against: strengths that begin at 0; gradient reversal as it is meant; functions that bend gradients, as a clipped straight-through
    estimator does; a strength of 0 where other ways lead to the same parameters (an information); single overflows of float16.

    References: Ganin et al. 2016, Domain-adversarial training (arXiv 1505.07818); Bengio et al. 2013, straight-through estimators
    (arXiv 1308.3432); PyTorch, Extending torch.autograd.
    """

    code: ClassVar[str] = "LD630"
    name: ClassVar[str] = "custom-gradient"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("A custom function misleads gradients")
    reads: ClassVar[tuple[Quantity, ...]] = ()
    may_read: ClassVar[tuple[Quantity, ...]] = (
        q.CUSTOM_PASSED, q.CUSTOM_AGREEMENT, q.CUSTOM_BROKEN, q.CUSTOM_ONLY, q.CUSTOM_NESTED,
    )  # fmt: skip
    explains: ClassVar[tuple[str, ...]] = (
        "LD101", "LD104", "LD105", "LD109", "LD204", "LD205", "LD206", "LD523",
    )  # fmt: skip

    #: cosine, 1; an exact sign is 1 but for rounding in half precision, and what bends a gradient is far from it
    min_cosine: float = 0.99
    #: check-ups; one may be an overflow, or the begin of a schedule
    min_checks: int = 2

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding per custom function that misleads gradients."""
        if q.CUSTOM_PASSED not in run:
            raise not_recorded(q.CUSTOM_PASSED)
        for each in columns(run, q.CUSTOM_PASSED):
            found = self._passed(run, each) or self._signed(run, each)
            if found is not None:
                yield found

    def _passed(self, run: Run, passed: Sighting) -> Finding | None:
        """It breaks gradients, or lets none through."""
        broken = at_steps(run, q.CUSTOM_BROKEN, passed.steps, passed.column, 0.0) > 0
        if broken.sum() >= self.min_checks:
            what = q.CUSTOM_BROKEN, self.severity, 1.0
            return self._finding(passed, broken, what, (_BROKEN, _BACKWARD_ADVICE))
        zero = passed.values == 0
        if len(zero) > self.min_checks and zero.all():
            only = at_steps(run, q.CUSTOM_ONLY, passed.steps, passed.column, 0.0)
            severity = self.severity if only.any() else Severity.INFO
            what = q.CUSTOM_PASSED, severity, 0.0
            return self._finding(passed, zero, what, (_LOST, _BACKWARD_ADVICE))
        return None

    def _signed(self, run: Run, passed: Sighting) -> Finding | None:
        """It turns gradients round, or does not."""
        cosine = at_steps(run, q.CUSTOM_AGREEMENT, passed.steps, passed.column)
        known = np.isfinite(cosine)
        passed, cosine = (
            Sighting(passed.column, passed.steps[known], passed.values[known]),
            cosine[known],
        )
        for hits, words in self._kinds(run, passed, cosine):
            if mostly(hits, np.isfinite(cosine), self.min_checks):
                what = q.CUSTOM_AGREEMENT, self.severity, float(np.median(cosine[hits]))
                return self._finding(passed, hits, what, words)
        return None

    def _kinds(self, run: Run, passed: Sighting, cosine: Doubles) -> Iterator[tuple[Bools, Words]]:
        kept, turned = cosine >= self.min_cosine, cosine <= -self.min_cosine
        if _REVERSING.search(passed.column.rpartition("/")[2]):
            nested = at_steps(run, q.CUSTOM_NESTED, passed.steps, passed.column, 1.0)
            yield kept, (_KEPT, _REVERSAL_ADVICE)
            yield turned & (nested % 2 == 0), (_TWICE, _REVERSAL_ADVICE)
        else:
            only = at_steps(run, q.CUSTOM_ONLY, passed.steps, passed.column, 0.0)
            yield turned & (only == 1), (_TURNED, _BACKWARD_ADVICE)

    def _finding(self, seen: Sighting, hits: Bools, what: _What, words: Words) -> Finding:
        (quantity, severity, observed), (message, advice) = what, words
        at = seen.steps[hits]
        counted = {"hits": str(int(hits.sum())), "checks": str(len(hits)), "step": str(at[-1])}
        text = message.format(name=seen.column, **counted)
        bound = self.min_cosine if quantity is q.CUSTOM_AGREEMENT else None
        ends = int(at[0]), int(at[-1])
        evidence = Evidence(quantity.name, seen.column, *ends, observed, bound)
        numbers = {"check_ups": float(hits.sum())}
        return Finding(self.code, severity, seen.column, (evidence,), text, advice, numbers)
