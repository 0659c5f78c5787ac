"""LD410 logged-is-not-trained."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import at_steps
from tb_lossdiag.analysis.left_out import left_out
from tb_lossdiag.analysis.levels import Bools
from tb_lossdiag.analysis.loss_calls import LossCallSeries, calls
from tb_lossdiag.diagnosis.judged import with_judged
from tb_lossdiag.diagnosis.rule import Evidence, Finding, NotEnough, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.records import Doubles, Steps
from tb_lossdiag.run import Run

_TWICE = Text(
    "In all {checks} check-ups what was backpropagated in a step is {factor} times the loss that was logged, in {factor} backward passes: the same loss was backpropagated {factor} times, or {factor} parts were added up and their mean was logged."
)
_TWICE_ADVICE = Text("""Call `backward()` once per loss:

```python
optimizer.zero_grad()
loss.backward()
optimizer.step()
```

A `retain_graph=True` that was needed to make the second call work is the usual trace of it. Where two parts of a loss are backpropagated
one after the other, each must be called on its part alone.""")
_PART = Text(
    "In all {checks} check-ups the logged loss is the value of `{call}` alone, {logged} at step {step}, and {trained} was backpropagated there. Over the last half of them {percent}% of what is trained stands in no log."
)
_PART_ADVICE = Text("""Log what is trained, and its terms beside it: then their balance is judged, too.

```python
penalty = sum(p.square().sum() for p in model.parameters())
terms = dict(data=criterion(model(x), y), penalty=(penalty, 1e-4))
loss = terms["data"] + 1e-4 * penalty
loss.backward()
writer.add_diagnostics(loss=loss, loss_terms=terms)
```""")
_UNTRAINED = Text(
    "In all {checks} check-ups the logged loss is the sum with {terms}, {logged} at step {step}, and `backward()` was called on the sum without, {trained} there. Nothing is trained by {terms}."
)
_UNTRAINED_ADVICE = Text("""Call `backward()` on the very loss that is logged. Where a function returns one loss and logs another one, let it return the whole:

```python
loss.backward()
writer.add_diagnostics(loss=loss)
```

What is meant to be watched only gets the weight 0, and stays out of the logged loss.""")
_FACTOR = Text(
    "In all {checks} check-ups what was backpropagated is {factor} times the logged loss, whatever the batch."
)
_FACTOR_ADVICE = Text("""A constant factor between the two is harmless to the training with Adam, and a factor of the learning rate with SGD. Log what `backward()`
is called on, so that curves of different runs can be compared:

```python
loss.backward()
writer.add_diagnostics(loss=loss)
```""")


_JUDGED_FACTOR = Text("what was backpropagated over what was logged")
_JUDGED_SHARE = Text("share of what was backpropagated that is not logged")
_JUDGED_UNTRAINED = Text("share of what was logged that was not backpropagated")


@dataclass(frozen=True)
class LoggedIsNotTrained:
    """The logged loss is not what is backpropagated.

    Why it matters: every look at the curve judges another number than the one that the optimizer lowers. A loss that is backpropagated
    twice doubles the learning rate; a part that is trained and never logged may be most of it.

    How it decides: at check-ups whose step has a record of its own, the logged loss is compared with the values that `backward()` was
    called on, without a loss scale. In every one of at least `min_checks` of them, within `tolerance`: what was backpropagated is as many
    times the logged loss as there were passes of it (a warning); or the logged loss is the value of one loss call, and what was
    backpropagated differs by at least `min_hidden` of itself (an information; a warning from `max_hidden` on); or it is a constant times
    the logged loss, which varied (an information); or, to single precision, the logged loss is the sum of all terms and what was
    backpropagated is the sum without some that always have a path and made a hundredth of it in `min_checks` (a warning). Dimensionless.

    What to try first: pass to `add_diagnostics` the very tensor that `backward()` is called on.

    Guards against: averages and logs of every tenth step; the last part's loss of an accumulation, and its sum; losses of several
    watched models; terms that are logged beside it; a loss scale of one's own, a power of two from 16 on; terms
    with a pass of their own, and gradients that are put in by hand.

    References: PyTorch, `Tensor.backward`: gradients are accumulated into the leaves; Hugging Face Transformers, pull request 13619.
    """

    code: ClassVar[str] = "LD410"
    name: ClassVar[str] = "logged-is-not-trained"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("The logged loss is not what is trained")
    reads: ClassVar[tuple[Quantity, ...]] = (q.LOSS, q.BACKPROPAGATED)
    may_read: ClassVar[tuple[Quantity, ...]] = (
        q.BACKWARDS, q.UNSCALE_FACTOR, q.LOSS_TERM, q.CALL_VALUE, q.CALL_PASSES, q.CALL_ARRIVED,
        q.LOSS_WEIGHT, q.LOSS_TERM_ATTACHED, q.STEP_RATIO_SPREAD, q.BACKWARD_NORM, q.STEP_NORM,
    )  # fmt: skip
    explains: ClassVar[tuple[str, ...]] = ("LD104", "LD204", "LD523", "LD601")

    #: check-ups; chance does not repeat to three digits
    min_checks: int = 4
    #: relative difference, 1; bfloat16 rounds by 0.4 %
    tolerance: float = 0.005
    #: share of what is backpropagated, 1; less than that changes no curve
    min_hidden: float = 0.1
    #: share of what is backpropagated, 1; the log then shows less than half
    max_hidden: float = 0.5

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield one finding if log and training disagree in the same way throughout."""
        column, steps, logged, trained = self._pairs(run)
        names, counts = left_out(run, steps, logged, trained, self.min_checks)
        if names:
            yield self._untrained(names, steps[counts], (logged[counts], trained[counts]))
            return
        if self._equal(logged, trained).mean() > 0.5:  # noqa: PLR2004  (more than half)
            return
        passes = at_steps(run, q.BACKWARDS, steps, column, 1.0)
        ends = int(steps[0]), int(steps[-1])
        factor = self._factor(logged, trained)
        if factor is None:
            # A closure asks for the same loss again and again within one step: its passes add up to no loss.
            if np.all(passes == 1):
                yield from self._hidden(run, steps, logged, trained)
            return
        if _is_loss_scale(factor, self.tolerance):
            return
        twice = factor > 1.5 and bool(np.all(passes == round(factor)))  # noqa: PLR2004  (nearest to 2)
        if twice or not np.any(np.abs(passes * factor - 1) <= self.tolerance):
            found = self._times(column, ends, (factor, len(steps), twice))
            yield _showing(found, _JUDGED_FACTOR, steps, trained / logged)

    def _pairs(self, run: Run) -> tuple[str, Steps, Doubles, Doubles]:
        """(column, int64[N] check-ups, what was logged and what was backpropagated there)."""
        table, loss = run[q.BACKPROPAGATED], run[q.LOSS]
        needs = Text(
            "{least} check-ups of one watched model whose steps have a record of the loss each"
        )
        alone = len(table.columns) == 1
        at = table.steps[np.isin(table.steps, _single(loss.steps))] if alone else table.steps[:0]
        column = table.columns[0]
        logged = at_steps(run, q.LOSS, at)
        trained = at_steps(run, q.BACKPROPAGATED, at, column)
        trained = trained * at_steps(run, q.UNSCALE_FACTOR, at, column, 1.0)
        there = np.isfinite(logged) & np.isfinite(trained) & (trained != 0) & (logged != 0)
        if there.sum() < self.min_checks:
            raise NotEnough(needs.format(least=str(self.min_checks)))
        return column, at[there], logged[there], trained[there]

    def _equal(self, one: Doubles, other: Doubles) -> Bools:
        close: Bools = np.abs(one - other) <= self.tolerance * np.maximum(
            np.abs(one), np.abs(other)
        )
        return close

    def _hidden(
        self, run: Run, steps: Steps, logged: Doubles, trained: Doubles
    ) -> Iterator[Finding]:
        """A part that is trained and stands in no log."""
        if q.LOSS_TERM in run or q.CALL_VALUE not in run:
            return
        share = np.abs(trained - logged) / np.abs(trained)
        late = float(np.median(share[len(share) // 2 :]))
        for call in calls(run):
            value = at_steps(run, q.CALL_VALUE, steps, call.name)
            whole = at_steps(run, q.CALL_ARRIVED, steps, call.name, 1.0)
            once = at_steps(run, q.CALL_PASSES, steps, call.name, 1.0)
            alone = self._equal(value, logged) & (np.abs(whole - 1) <= self.tolerance) & (once == 1)
            if alone.all() and late >= self.min_hidden:
                found = self._part(call, steps, (float(logged[-1]), float(trained[-1]), late))
                yield _showing(found, _JUDGED_SHARE, steps, share)
                return

    def _untrained(
        self, names: tuple[str, ...], steps: Steps, pair: tuple[Doubles, Doubles]
    ) -> Finding:
        """Terms of the logged loss that nobody backpropagates."""
        logged, trained = pair
        words = {"terms": ", ".join(f"`{name}`" for name in names)}
        message = _UNTRAINED.format(
            checks=str(len(steps)),
            logged=short_number(logged[-1]),
            step=str(int(steps[-1])),
            trained=short_number(trained[-1]),
            **words,
        )
        share = np.abs(logged - trained) / np.maximum(np.abs(logged), np.abs(trained))
        ends = int(steps[0]), int(steps[-1])
        evidence = Evidence(q.LOSS_TERM.name, names[0], *ends, float(share[-1]), 0.0)
        numbers = {"logged": float(logged[-1]), "trained": float(trained[-1])}
        found = Finding(
            self.code, self.severity, names[0], (evidence,), message, _UNTRAINED_ADVICE, numbers
        )
        return _showing(found, _JUDGED_UNTRAINED, steps, share)

    def _factor(self, logged: Doubles, trained: Doubles) -> float | None:
        """What was trained over what was logged, if it is one number while the loss varies."""
        ratio = trained / logged
        factor = float(np.median(ratio))
        same = np.all(np.abs(ratio - factor) <= self.tolerance * abs(factor))
        varies = np.ptp(logged) > 4 * self.tolerance * np.max(np.abs(logged))
        return factor if same and varies else None

    def _part(
        self, call: LossCallSeries, steps: Steps, what: tuple[float, float, float]
    ) -> Finding:
        logged, trained, share = what
        message = _PART.format(
            checks=str(len(steps)),
            call=call.name,
            logged=short_number(logged),
            step=str(int(steps[-1])),
            trained=short_number(trained),
            percent=f"{100 * share:.0f}",
        )
        ends = int(steps[0]), int(steps[-1])
        evidence = Evidence(q.CALL_VALUE.name, call.name, *ends, share, self.min_hidden)
        severity = self.severity if share >= self.max_hidden else Severity.INFO
        numbers = {"hidden": share, "logged": logged, "trained": trained}
        return Finding(self.code, severity, "", (evidence,), message, _PART_ADVICE, numbers)

    def _times(self, column: str, ends: tuple[int, int], what: tuple[float, int, bool]) -> Finding:
        factor, checks, twice = what
        words, advice = (_TWICE, _TWICE_ADVICE) if twice else (_FACTOR, _FACTOR_ADVICE)
        message = words.format(checks=str(checks), factor=short_number(factor))
        evidence = Evidence(q.BACKPROPAGATED.name, column, *ends, factor, 1.0)
        severity = self.severity if twice else Severity.INFO
        return Finding(self.code, severity, "", (evidence,), message, advice, {"factor": factor})


def _showing(found: Finding, name: Text, steps: Steps, values: Doubles) -> Finding:
    """The finding with the series that was judged."""
    return replace(found, evidence=(with_judged(found.evidence[0], name, steps, values),))


def _is_loss_scale(factor: float, tolerance: float) -> bool:
    """Whether it is what half precision is scaled by: a power of two."""
    power = round(float(np.log2(factor))) if factor > 0 else 0
    return power >= 4 and abs(factor / 2.0**power - 1) <= tolerance  # noqa: PLR2004  (16)


def _single(steps: Steps) -> Steps:
    """The steps whose record covers no other."""
    alone: Steps = steps[np.diff(steps, prepend=steps[:1] - 1) == 1]
    return alone
