"""LD110 unbounded-loss."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.bottomless import LEAST, PACE, TIMES, bottomless
from tb_lossdiag.analysis.levels import median
from tb_lossdiag.analysis.runaway import Bounds, runaway
from tb_lossdiag.diagnosis.rule import Evidence, Finding, NotEnough, Severity, Text, short_number
from tb_lossdiag.diagnosis.ways import said
from tb_lossdiag.quantities import Quantity, function, made_for
from tb_lossdiag.records import Floats, Steps
from tb_lossdiag.rules.loss_curve.bottomless import bottomless_finding
from tb_lossdiag.rules.loss_curve.negated_divergence import negated_divergence
from tb_lossdiag.run import Run

_NEGATIVE = Text(
    "`{call}` returned {value} at step {step} and went below zero in {count} of {records} check-ups. With inputs and targets it is made for it cannot: it has no lowest value to converge to.{targets}"
)
_TARGETS = Text(" The targets lie between {low} and {high}.")
_FLIPPED = Text(
    "The loss that is trained is `{call}` with the opposite sign ({loss} against {value} at step {step}, in {count} of {records} check-ups): training makes it worse on purpose, without bound."
)
_ADVICE = Text("""Give the function what it is made for:

- `{call}` wants {wants};
- a classifier of C classes wants labels 0 to C - 1 of type `long`, a yes-or-no target 0 or 1, a count 0 or more. Map other codings (-1 and 1, 1 to C, 0 to 255) first.

```python
targets = (targets - targets.min()) / (targets.max() - targets.min())  # only if they are meant as probabilities
assert targets.min() >= 0
```""")
_WANTS = {
    "cross_entropy": Text("logits, and class indices or probabilities"),
    "nll_loss": Text("log-probabilities: `log_softmax(logits, dim=1)`"),
    "ctc_loss": Text("log-probabilities over the last dimension: `log_softmax(outputs, dim=-1)`"),
    "kl_div": Text("log-probabilities as input and probabilities that sum to 1 as target"),
    "poisson_nll_loss": Text("the logarithm of the rate (or the rate with `log_input=False`) and counts"),
    "binary_cross_entropy": Text("probabilities and targets between 0 and 1"),
    "binary_cross_entropy_with_logits": Text("logits, and targets between 0 and 1"),
}  # fmt: skip
_OTHER_WANTS = Text("inputs and targets of the domain in its documentation")
_FLIP_ADVICE = Text("""Take the minus sign out, or check that this part is meant to be maximised (an adversary, a bonus for entropy). Then bound it, or it outgrows all else:

```python
loss = criterion(model(inputs), targets)  # minimise: no minus sign
loss.backward()
```""")

_NEEDS = Text("a check-up that sees a call of one of PyTorch's loss functions: {how}")


@dataclass(frozen=True)
class UnboundedLoss:
    """A loss that cannot be negative is.

    Why it matters: it can fall for ever without the model getting better; a falling curve then looks like success.

    How it decides: a check-up saw a loss call return less than -`min_below` although the function is never negative for the
    inputs and targets it is made for (cross-entropies, squared and absolute errors, margins, divergences). Functions that may be
    negative, such as Poisson's, count if part of their targets is outside the domain. Or the total loss is a negative
    multiple of the only loss call, the same within `max_difference` in all check-ups, at least `min_checks`. Or the loss of one model ends `min_times` as far
    below zero as it began from it, and falls in the second and in the last third of the steps by no less than `min_pace` of what it
    fell by in the one before (at least `min_records`; a warning), or 10,000 times as far, which no likelihood does, whatever its pace. Or a divergence of normal distributions, x - exp(x) of a log variance or log v - v of
    a variance, is taken off the loss of one model in all check-ups, at least `min_checks`: a warning until the loss is below zero or breaks. Unit: that of the loss.

    What to try first: map the targets into the function's domain; remove a wrong minus sign.

    Guards against: log-likelihoods of densities and reinforcement learning, whose losses may be negative (no verdict without the
    function, unless they fall ever faster: a likelihood slows down); two players; rounding below zero; a term that is subtracted from others (only the whole loss counts);
    a curve that falls because all weights run away, as a critic's without a leash does: LD608 says so.

    References: PyTorch documentation of the loss functions; Ben Braiek and Khomh 2023, TheDeepChecker (TOSEM).
    """

    code: ClassVar[str] = "LD110"
    name: ClassVar[str] = "unbounded-loss"
    severity: ClassVar[Severity] = Severity.ERROR
    title: ClassVar[Text] = Text("The loss falls without a bound")
    reads: ClassVar[tuple[Quantity, ...]] = ()
    may_read: ClassVar[tuple[Quantity, ...]] = (
        q.CALL_VALUE,
        q.LOSS,
        q.LOSS_TERM,
        q.STEPS,
        q.LOSS_OF_ANOTHER,
        q.EXTRA,
        q.CALL_TARGET_MEAN,
        q.CALL_TARGET_STD,
        q.CALL_INVALID,
        q.CALL_TARGET_MIN,
        q.CALL_TARGET_MAX,
        q.PARAMETER_NORM,
        q.PARAMETER_SIZE,
        q.UPDATE_NORM,
        q.LOSS_NONFINITE,
        q.DIVERGENCE_NEGATED,
    )
    explains: ClassVar[tuple[str, ...]] = (
        "LD104", "LD401", "LD402", "LD407", "LD523", "LD608", "LD707",
    )  # fmt: skip

    #: loss, absolute; far beyond what rounding leaves below zero
    min_below: float = 1e-4
    #: relative difference of the ratio loss / call between check-ups, 1; rounding of two float32
    max_difference: float = 1e-3
    #: check-ups; one equality could be chance
    min_checks: int = 2
    #: end over start, 1; a likelihood of many pixels ends a few times as far below zero as it began above
    min_times: float = TIMES
    #: fall in a third of the steps over that in the third before, 1; what converges slows down
    min_pace: float = PACE
    #: records; ten to a third
    min_records: int = LEAST

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding per call below zero, or one for a loss of the wrong sign or without a bottom."""
        found = list(self._calls(run)) if q.CALL_VALUE in run else []
        negated = negated_divergence(self.code, run, self.min_checks)
        if negated is not None:
            found.append(negated)
        yield from found
        fallen = bottomless(run, self.min_records, self.min_pace, self.min_times)
        if fallen is not None and not found:
            if runaway(run, Bounds()) is None:
                yield bottomless_finding(self.code, run, fallen)
        elif found:
            return
        elif q.CALL_VALUE not in run:
            raise NotEnough(_NEEDS.format(how=said(q.CALL_VALUE.how)))
        elif not any(function(name) != "custom" for name in run[q.CALL_VALUE].columns):
            raise NotEnough(Text("a call of one of PyTorch's loss functions"))

    def _calls(self, run: Run) -> Iterator[Finding]:
        table = run[q.CALL_VALUE]
        flipped = self._flipped(run)
        if flipped is not None:
            yield flipped
        for name in table.columns:
            values, invalid = table.column(name), self._invalid(run, name, table.steps)
            may = made_for(function(name)).never_negative
            below = (values < -self.min_below) & (may | (invalid > 0))
            if below.any():
                yield self._negative(run, name, below)

    def _invalid(self, run: Run, name: str, steps: Steps) -> Floats:
        if q.CALL_INVALID not in run:
            return np.zeros(len(steps), np.float32)
        return run[q.CALL_INVALID].at(steps, [name])[:, 0]

    def _negative(
        self, run: Run, name: str, below: np.ndarray[tuple[int], np.dtype[np.bool_]]
    ) -> Finding:
        table = run[q.CALL_VALUE]
        values, steps = table.column(name), table.steps[below]
        lowest = float(np.min(values[below]))
        step = int(table.steps[below][np.argmin(values[below])])
        targets = _targets(run, name, steps)
        words = {
            "call": name,
            "value": short_number(lowest),
            "step": str(step),
            "count": str(len(steps)),
            "records": str(int(np.isfinite(values).sum())),
        }
        message = _NEGATIVE.format(targets=targets, **words)
        wants = _WANTS.get(function(name), _OTHER_WANTS)
        advice = _ADVICE.format(call=function(name), wants=wants)
        ends = int(steps[0]), int(steps[-1])
        evidence = Evidence(q.CALL_VALUE.name, name, *ends, lowest, 0.0)
        return Finding(
            self.code, self.severity, name, (evidence,), message, advice, {"value": lowest}
        )

    def _flipped(self, run: Run) -> Finding | None:
        table = run[q.CALL_VALUE]
        if q.LOSS not in run or len(table.columns) != 1:
            return None
        name = table.columns[0]
        value, loss = table.values[:, 0], run[q.LOSS].at(table.steps)[:, 0]
        known = np.isfinite(value) & np.isfinite(loss) & (value > self.min_below)
        if not made_for(function(name)).never_negative or known.sum() < self.min_checks:
            return None
        factor = loss[known].astype(np.float64) / value[known]
        middle = float(median(factor))
        if middle >= 0 or np.max(np.abs(factor - middle)) > self.max_difference * abs(middle):
            return None
        return self._flip_finding(name, table.steps[known], value[known], loss[known])

    def _flip_finding(self, name: str, steps: Steps, value: Floats, loss: Floats) -> Finding:
        seen = float(value[-1]), float(loss[-1])
        message = _FLIPPED.format(
            call=name,
            loss=short_number(seen[1]),
            value=short_number(seen[0]),
            step=str(int(steps[-1])),
            count=str(len(steps)),
            records=str(len(steps)),
        )
        evidence = Evidence(q.LOSS.name, "", int(steps[0]), int(steps[-1]), seen[1], 0.0)
        numbers = {"loss": seen[1], "value": seen[0]}
        return Finding(self.code, self.severity, "", (evidence,), message, _FLIP_ADVICE, numbers)


def _targets(run: Run, name: str, steps: Steps) -> Text:
    if q.CALL_TARGET_MIN not in run or q.CALL_TARGET_MAX not in run:
        return Text("")
    low = run[q.CALL_TARGET_MIN].at(steps, [name])
    high = run[q.CALL_TARGET_MAX].at(steps, [name])
    if np.isnan(low).all() or np.isnan(high).all():
        return Text("")
    return _TARGETS.format(
        low=short_number(float(np.nanmin(low))), high=short_number(float(np.nanmax(high)))
    )
