"""LD605 step-changes-nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import columns, not_recorded
from tb_lossdiag.analysis.levels import Bools, Span, spans
from tb_lossdiag.analysis.parameters import gradient_norm, rate
from tb_lossdiag.diagnosis.rule import Evidence, Finding, NotEnough, Severity, Text
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.records import Steps
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "The parameters are bit for bit the same in {records} {what} from step {first} to {last}, although their gradients are not zero."
)
_NOTHING = Text(
    "The optimizer steps, and there is never a gradient: from step {first} to {last} no parameter has one, and all are bit for bit the same in {records} records. {backward}"
)
_GONE = Text(
    "The optimizer steps on after step {before}, but without any gradient: from step {first} to {last} no parameter has one, and all are bit for bit the same in {records} records. {backward}"
)
_CALLED = Text("`backward()` was called before {checks} of the steps that check-ups looked at.")
_NOT_CALLED = Text("`backward()` was called in none of {checks} check-ups.")
_CHECK_UPS = Text("check-ups")
_RECORDS = Text("records")
_LOOKS = Text("{least} looks at what steps change, over at least {steps} steps")
_ADVICE = Text("""{cause}

Prove the repair with one step:

```python
before = [p.detach().clone() for p in model.parameters()]
optimizer.step()
print(sum(not torch.equal(p, q) for p, q in zip(model.parameters(), before)), "parameters changed")
```""")
_NO_BACKWARD = Text("""Let the loss be followed back before the step:

```python
optimizer.zero_grad()
loss = torch.nn.functional.cross_entropy(model(x), target)
loss.backward()
optimizer.step()
```

If `backward()` is called, then on another model's loss, or the gradients are reset between it and the step.""")
_LEFT = Text("""The loss no longer reaches the model that the optimizer holds. Look at what changed at that step:

- A checkpoint that was loaded into a new model, or one that was copied or replaced: a loss, a closure or a trainer may still use the model
  before. Make the loss with the one that the optimizer holds.
- An output that is detached since then, or made under `no_grad()`.""")
_ZERO_RATE = Text(
    "The learning rate is 0: look at the scheduler (LD607) and at the optimizer's groups."
)
_SKIPPED = Text("The GradScaler skips the steps: its gradients overflow (LD801).")
_NOT_HELD = Text(
    "The optimizer doesn't hold these parameters (LD603, LD604): make it from the finished model."
)
_OTHERWISE = Text(
    "Check that `optimizer.step()` is reached in every step, that the optimizer was made from this very model, and that the steps are not below the precision of the weights (bfloat16 weights keep 3 digits; train a float32 copy)."
)


@dataclass(frozen=True)
class StepChangesNothing:
    """The optimizer steps, but the parameters stay bit for bit the same.

    Why it matters: nothing is learned, and the loss looks like a hard problem.

    How it decides: in `min_check_ups` check-ups in a row the step left at least `min_share` of the trainable parameters with a
    gradient identical. Where these are too few: no parameter's norm changes for `min_records` records. The stretch covers at least
    `min_steps` steps and `min_stretch` of the run. Or no gradient was ever there, or none any more for the last `min_left` of the run, in which parameters can be trained and
    no check-up saw a pass reach them, and no look at a step saw it change a parameter. Unit: share of parameters.

    What to try first: `loss.backward()`, if there is never a gradient; look at the learning rate, at what the optimizer holds, and whether a scaler skips the steps.

    Guards against: the first steps of a warm-up from 0 or of a scale search, micro-batches between two steps and the end of a
    schedule (the stretch is long); parameters with zero gradients; frozen ones; weights that are written by hand, or in hooks of the backward pass.

    References: PyTorch, `torch.optim`; `torch.amp.GradScaler.step` skips a step whose gradients are not finite.
    """

    code: ClassVar[str] = "LD605"
    name: ClassVar[str] = "step-changes-nothing"
    severity: ClassVar[Severity] = Severity.ERROR
    title: ClassVar[Text] = Text("The steps change nothing")
    reads: ClassVar[tuple[Quantity, ...]] = ()
    may_read: ClassVar[tuple[Quantity, ...]] = (
        q.UNCHANGED_SHARE,
        q.PARAMETER_NORM,
        q.GRADIENT_NORM,
        q.LEARNING_RATE,
        q.PARAMETER_HELD,
        q.AMP_SKIPPED,
        q.UPDATE_NORM,
        q.BACKWARDS,
        q.REACHING_PASSES,
        q.PARAMETER_TRAINABLE,
        q.CHECK_SECONDS,
    )
    explains: ClassVar[tuple[str, ...]] = (
        "LD102", "LD103", "LD104", "LD105", "LD109", "LD113", "LD523", "LD602", "LD904",
    )  # fmt: skip

    #: share of the parameters with a gradient, 1; all but rounding of the share
    min_share: float = 0.99
    #: check-ups in a row; a scale search or a warm-up from 0 fills one or two
    min_check_ups: int = 3
    #: records in a row with the same norms, where check-ups do not tell; the stretch makes it more than micro-batches of one step
    min_records: int = 5
    #: steps that the stretch covers; longer than any scale search
    min_steps: int = 50
    #: share of the run's steps, 1; the end of a schedule is shorter
    min_stretch: float = 0.5
    #: the same of steps that find no gradient any more, which no schedule and no convergence makes; as in LD904
    min_left: float = 0.2

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding per watched model that stands still, or one for the run."""
        if q.GRADIENT_NORM not in run and q.UPDATE_NORM in run and q.PARAMETER_NORM in run:
            yield from self._without_gradients(run)
            return
        if q.UNCHANGED_SHARE not in run and not (
            q.PARAMETER_NORM in run and q.GRADIENT_NORM in run
        ):
            raise not_recorded(q.UNCHANGED_SHARE, q.PARAMETER_NORM)
        found = list(self._by_check_ups(run))
        norms = q.PARAMETER_NORM in run and q.GRADIENT_NORM in run
        if not found and norms:
            found = list(self._by_norms(run))
        if not found and not self._long_enough(run, norms):
            raise NotEnough(
                Text("check-ups or norms of parameters over at least {min_steps} steps").format(
                    min_steps=self.min_steps
                )
            )
        yield from found or self._gone(run)

    def _gone(self, run: Run) -> Iterator[Finding]:
        """Steps that find no gradient any more, up to the run's end."""
        needed = (q.GRADIENT_NORM, q.UPDATE_NORM, q.PARAMETER_NORM, q.REACHING_PASSES)
        if not all(each in run for each in needed) or not _trainable(run):
            return
        before = int(run[q.GRADIENT_NORM].steps[-1])
        passes = run[q.REACHING_PASSES]
        reached = passes.values[passes.steps > before]
        norm, moved = run[q.PARAMETER_NORM], run[q.UPDATE_NORM]
        norms, looks = norm.values[norm.steps > before], moved.values[moved.steps > before]
        steps = moved.steps[moved.steps > before]
        enough = len(reached) >= self.min_check_ups and len(steps) >= self.min_records
        if not enough or np.nan_to_num(reached, nan=1.0).any() or np.nan_to_num(looks).any():
            return
        same = bool(((norms == norms[:1]) | np.isnan(norms)).all())
        need = max(
            self.min_steps, self.min_left * ((run.last_step() or 0) - (run.first_step() or 0))
        )
        if not same or steps[-1] - before < need:
            return
        span = Span(len(moved.steps) - len(steps), len(moved.steps) - 1)
        evidence = self._evidence(q.UPDATE_NORM, moved.columns[0], moved.steps, span)
        told = _told(run, before)
        message = _GONE.format(before=str(before), backward=told, **_words(evidence, span))
        yield self._finding(evidence, span, message, _LEFT)

    def _without_gradients(self, run: Run) -> Iterator[Finding]:
        """Steps of an optimizer for which there was nothing to step by."""
        norm, moved = run[q.PARAMETER_NORM], run[q.UPDATE_NORM]
        same = bool(((norm.values == norm.values[0]) | np.isnan(norm.values)).all())
        looked: Bools = np.logical_or.reduce(np.isfinite(moved.values), axis=1)
        if not same or (np.nan_to_num(moved.values) != 0).any():
            return
        span = self._stretch(run, looked, moved.steps, self.min_records)
        if span is None:
            raise NotEnough(_LOOKS.format(least=self.min_records, steps=self.min_steps))
        evidence = self._evidence(q.UPDATE_NORM, moved.columns[0], moved.steps, span)
        yield self._finding(evidence, span, _nothing(run, evidence, span), _NO_BACKWARD)

    def _long_enough(self, run: Run, norms: bool) -> bool:
        seen = [(each.steps, self.min_check_ups) for each in columns(run, q.UNCHANGED_SHARE)]
        seen += [(run[q.PARAMETER_NORM].steps[1:], self.min_records)] if norms else []
        return any(len(at) >= least and np.ptp(at) >= self.min_steps for at, least in seen)

    def _by_check_ups(self, run: Run) -> Iterator[Finding]:
        for column, steps, share in columns(run, q.UNCHANGED_SHARE):
            span = self._stretch(run, share >= self.min_share, steps, self.min_check_ups)
            if span is not None:
                evidence = self._evidence(q.UNCHANGED_SHARE, column, steps, span)
                yield self._standing(run, evidence, span, _CHECK_UPS)

    def _by_norms(self, run: Run) -> Iterator[Finding]:
        norm = run[q.PARAMETER_NORM]
        there = ~np.isnan(norm.values[1:]) & ~np.isnan(norm.values[:-1])
        same = (norm.values[1:] == norm.values[:-1]) | ~there
        still = same.all(axis=1) & there.any(axis=1) & _pulled(run, norm.steps[1:])
        span = self._stretch(run, still, norm.steps[1:], self.min_records)
        if span is not None:
            first = norm.columns[int(np.argmax(there.any(axis=0)))]
            evidence = self._evidence(q.PARAMETER_NORM, first, norm.steps[1:], span)
            yield self._standing(run, evidence, span, _RECORDS)

    def _stretch(self, run: Run, still: Bools, steps: Steps, least: int) -> Span | None:
        """The longest stretch in steps, if it is long enough."""
        first, last = run.first_step() or 0, run.last_step() or 0
        need = max(self.min_steps, self.min_stretch * (last - first))
        long = [s for s in spans(still, least) if steps[s.last] - steps[s.first] >= need]
        return max(long, key=lambda s: int(steps[s.last] - steps[s.first]), default=None)

    def _evidence(self, quantity: Quantity, column: str, steps: Steps, span: Span) -> Evidence:
        observed = 1.0 if quantity is q.UNCHANGED_SHARE else None
        bound = self.min_share if quantity is q.UNCHANGED_SHARE else None
        return Evidence(quantity.name, column, *span.ends(steps), observed, bound)

    def _standing(self, run: Run, evidence: Evidence, span: Span, what: Text) -> Finding:
        message = _MESSAGE.format(what=what, **_words(evidence, span))
        return self._finding(evidence, span, message, self._cause(run, evidence.last_step))

    def _finding(self, evidence: Evidence, span: Span, message: Text, cause: Text) -> Finding:
        advice = _ADVICE.format(cause=cause)
        numbers = {"records": span.size}
        return Finding(self.code, self.severity, "", (evidence,), message, advice, numbers)

    def _cause(self, run: Run, step: int) -> Text:
        if rate(run, step) == 0:
            return _ZERO_RATE
        held = [bool((each.values > 0).any()) for each in columns(run, q.PARAMETER_HELD)]
        if held and not any(held):
            return _NOT_HELD
        skipped = sum(float(each.values.sum()) for each in columns(run, q.AMP_SKIPPED))
        return _SKIPPED if skipped >= self.min_check_ups else _OTHERWISE


def _words(evidence: Evidence, span: Span) -> dict[str, str]:
    first, last = evidence.first_step, evidence.last_step
    return {"records": str(span.size), "first": str(first), "last": str(last)}


def _nothing(run: Run, evidence: Evidence, span: Span) -> Text:
    """What is said where there was never a gradient."""
    return _NOTHING.format(backward=_told(run), **_words(evidence, span))


def _told(run: Run, after: int = -1) -> Text | str:
    """Whether check-ups after this step saw a backward pass."""
    passes = sum(int((s.values[s.steps > after] > 0).sum()) for s in columns(run, q.BACKWARDS))
    seen = (int((s.steps > after).sum()) for s in columns(run, q.CHECK_SECONDS))
    checks = max(seen, default=0)
    told = _CALLED.format(checks=str(passes)) if passes else _NOT_CALLED.format(checks=str(checks))
    return told if checks else ""


def _trainable(run: Run) -> bool:
    """Whether anything can be trained at the end."""
    if q.PARAMETER_TRAINABLE not in run:
        return True
    return bool((run[q.PARAMETER_TRAINABLE].values[-1] > 0).any())


def _pulled(run: Run, steps: Steps) -> Bools:
    """bool[len(steps)]: whether the records of the gradients that cover these steps are above 0."""
    gradient = run[q.GRADIENT_NORM]
    total = gradient_norm(run)
    place = np.minimum(np.searchsorted(gradient.steps, steps), len(total) - 1)
    above: Bools = total[place] > 0
    return above
