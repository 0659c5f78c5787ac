"""LD208 loss-without-path."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import at_steps, columns, too_few
from tb_lossdiag.analysis.levels import Bools
from tb_lossdiag.analysis.loss_calls import calls
from tb_lossdiag.diagnosis.rule import Evidence, Finding, NotEnough, Severity, Text
from tb_lossdiag.quantities import Quantity, Source
from tb_lossdiag.records import Doubles
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "In {count} of {checks} check-ups `backward()` ran and gave no parameter a gradient: nothing connects the loss with the model.{where}"
)
_BESIDE = Text(
    "In all of {checks} check-ups `backward()` gave gradients to tensors that the optimizer holds beside the model alone: nothing connects the loss with any of the model's {count} trainable parameters, which it holds as well.{where}"
)
_AT_CALL = Text(
    " What `{call}` was given has no history: the path is lost between the model and that call."
)
_AFTER = Text(
    " No loss function led to what `backward()` began with: the path may be lost just before it."
)
_NOWHERE = Text("")
_ADVICE = Text("""The learning rate has nothing to do with it. The loss was turned into a number and back, so that autograd starts anew there. Look between the model's output and `backward()` for

- `.item()`, `float(...)`, `.numpy()`, `.tolist()` or `.data`;
- `torch.tensor(...)` of something that was a tensor already, with or without `requires_grad=True`;
- `.detach()`, `torch.no_grad()` or `torch.inference_mode()` around the forward pass.

Setting `requires_grad` on the loss only silences the error. This finds the place, and stays true in a right loop:

```python
output = model(x)
assert output.grad_fn is not None  # else: no_grad, or a model that detaches
loss = criterion(output, target)
assert loss.grad_fn is not None  # else: lost in the loss
```""")

_ADVICE_BESIDE = Text("""What is held beside the model (an estimate, a temperature, another model) learns, and the model stays as it was initialised. Look between its output and the loss for `.detach()`, `.data`, `torch.no_grad()`, or for a copy of the model that is asked in its place. This finds the place:

```python
output = model(x)
assert output.requires_grad  # else: no_grad, or a model that detaches
output.retain_grad()
criterion(output, target).backward()
assert output.grad is not None  # else: lost in the loss
```

If the model is meant to stay as it is, set `requires_grad_(False)` and leave it out of the optimizer.""")

_EXACT = 1e-3
"""Relative; the same norm is taken twice."""


@dataclass(frozen=True)
class LossWithoutPath:
    """Backward runs, but the loss depends on no parameter.

    Why it matters: no step does anything, at any learning rate. PyTorch would raise an error, were it not for a `requires_grad=True`.

    How it decides: in `min_check_ups` check-ups and more than half of them, a backward pass ended and no parameter that the optimizer
    holds had a gradient, not even one of zeros, and no record has a gradient of any of that model's parameters. A warning where gradients do arrive,
    at tensors that are held beside the model (an estimate of its own, another model), and none of the model's trainable parameters,
    which are held as well, has had one in any of at least `min_records` check-ups, each of which used all that had arrived. Unit: check-ups.

    What to try first: look for `.item()`, `torch.tensor(...)` or `.detach()` between output and loss.

    Guards against: gradients that are zero (LD205); gradients that were reset before the step (LD616); an optimizer of other parameters,
    where the model's have gradients (LD604) or are not held; a frozen model; models that are trained in turns by one optimizer.

    References: PyTorch, "Autograd mechanics"; PyTorch forum, "element 0 of tensors does not require grad".
    """

    code: ClassVar[str] = "LD208"
    name: ClassVar[str] = "loss-without-path"
    severity: ClassVar[Severity] = Severity.ERROR
    title: ClassVar[Text] = Text("The loss has no path to the parameters")
    reads: ClassVar[tuple[Quantity, ...]] = (q.BACKWARD_NORM, q.BACKWARDS)
    may_read: ClassVar[tuple[Quantity, ...]] = (
        q.STEP_NORM,
        q.GRADIENT_NORM,
        q.GRADIENT_NONFINITE,
        q.GRADIENT_ABS_MAX,
        q.PARAMETER_HELD,
        q.PARAMETER_TRAINABLE,
        q.CALL_SOURCE,
    )
    explains: ClassVar[tuple[str, ...]] = ("LD104", "LD106", "LD109", "LD523", "LD602", "LD605")

    #: check-ups; one may have seen another network's backward pass only
    min_check_ups: int = 2
    #: check-ups that saw gradients elsewhere; who takes turns has had its own by then
    min_records: int = 5

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding per watched model that no gradient reaches."""
        judged = False
        for column, steps, norm in columns(run, q.BACKWARD_NORM):
            if len(steps) < self.min_check_ups:
                continue
            judged = True
            ran = at_steps(run, q.BACKWARDS, steps, column, 0.0) >= 1
            used = at_steps(run, q.STEP_NORM, steps, column, 0.0)
            none = ran & (norm == 0) & (used == 0)
            enough = none.sum() >= self.min_check_ups and 2 * none.sum() > len(steps)
            if _any_gradient(run, column):
                continue
            if enough:
                ends = int(steps[none][0]), int(steps[none][-1])
                evidence = Evidence(q.BACKWARD_NORM.name, column, *ends, 0.0, 0.0)
                yield self._finding(run, evidence, int(none.sum()), len(steps))
            elif _whole(ran, norm, used) and (count := self._left_out(run, column)):
                ends = int(steps[0]), int(steps[-1])
                evidence = Evidence(q.BACKWARD_NORM.name, column, *ends)
                yield self._beside(run, evidence, count, len(steps))
        if not judged:
            raise too_few(self.min_check_ups, Text("check-ups with a backward pass"))

    def _left_out(self, run: Run, model: str) -> int:
        """The model's parameters, if all that are trained are held, and enough check-ups looked for a gradient; else 0."""
        if q.GRADIENT_ABS_MAX not in run or len(run[q.GRADIENT_ABS_MAX]) < self.min_records:
            return 0
        table = run[q.GRADIENT_ABS_MAX]
        own = [name for name in table.columns if _of(model, name)]
        held, trained = (
            {s.column for s in columns(run, each) if len(s.values) and s.values.all()}
            for each in (q.PARAMETER_HELD, q.PARAMETER_TRAINABLE)
        )
        return len(own) if own and set(own) <= held & trained else 0

    def _beside(self, run: Run, evidence: Evidence, count: int, checks: int) -> Finding:
        message = _BESIDE.format(count=str(count), checks=str(checks), where=_where(run))
        numbers = {"check_ups": checks, "parameters": count}
        shown, column = (evidence,), evidence.column
        return Finding(self.code, Severity.WARNING, column, shown, message, _ADVICE_BESIDE, numbers)

    def _finding(self, run: Run, evidence: Evidence, count: int, checks: int) -> Finding:
        message = _MESSAGE.format(count=str(count), checks=str(checks), where=_where(run))
        numbers = {"check_ups": count}
        return Finding(
            self.code, self.severity, evidence.column, (evidence,), message, _ADVICE, numbers
        )


def _any_gradient(run: Run, model: str) -> bool:
    """Whether any parameter of the model had a gradient in any record, finite or not."""
    wanted = q.GRADIENT_NORM, q.GRADIENT_NONFINITE, q.GRADIENT_ABS_MAX
    tables = [run[name] for name in wanted if name in run]
    return any(
        bool((~np.isnan(table.values[:, index])).any())
        for table in tables
        for index, column in enumerate(table.columns)
        if _of(model, column)
    )


def _of(model: str, parameter: str) -> bool:
    """Whether a parameter is this watched model's."""
    return parameter.startswith(f"{model}/" if model else "")


def _whole(ran: Bools, arrived: Doubles, used: Doubles) -> bool:
    """Whether each check-up had a gradient, and its step used all of it: a part may have been reset in between."""
    same = np.abs(used - arrived) <= _EXACT * arrived
    return bool((ran & (arrived > 0) & same).all())


def _where(run: Run) -> Text:
    """Between which two places the path was lost, as far as the check-ups saw a loss call."""
    if q.CALL_SOURCE not in run:
        return _AFTER
    try:
        seen = calls(run)
    except NotEnough:
        return _AFTER
    cut = [call for call in seen if call.typical(q.CALL_SOURCE) == Source.LEAF]
    return _AT_CALL.format(call=cut[0].name) if len(cut) == len(seen) else _NOWHERE
