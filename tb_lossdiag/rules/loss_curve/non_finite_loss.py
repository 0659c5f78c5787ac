"""LD101 non-finite-loss."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis import non_finite
from tb_lossdiag.analysis.batches import batch_of
from tb_lossdiag.diagnosis.counted import in_steps
from tb_lossdiag.diagnosis.rule import Evidence, Finding, Severity, Text
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.records import Steps
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "The {what} was {value} at step {step}, and not finite in {steps}, in {bad} of {records} records ({share}%). {origin}{batch}"
)
_BY_GRADIENT = Text(
    "Before that, at step {step}, the gradient of `{name}` was not finite: the update with it destroyed the weights."
)
_BY_WEIGHT = Text(
    "The gradients were finite, but the parameter `{name}` was not after step {step}: the step itself broke it.{why}"
)
_EPSILON = Text(
    " The weights are float16, where the optimizer's epsilon of {epsilon} is 0: whatever has a gradient too small for its square is divided by 0."
)
_HALF = Text(" The weights are float16, which ends at 65504 and has nothing between 6e-8 and 0.")
_NOTHING = Text("")
_BY_ACTIVATION = Text("The first output that was not finite is that of `{name}` (step {step}).")
_BY_LOSS = Text(
    "The gradients were finite until then, so it arose in the forward pass of that step."
)
_UNKNOWN = Text("Where it came from is not recorded (pass the model to see it).")
_TOTAL = Text("loss")
_TERM = Text("loss term `{name}`")
_ADVICE = Text("""Stop at the step that breaks and look at its batch; everything after step {step} is void if the update was applied.

- `log`, `sqrt`, division and `exp` of the loss: keep their argument away from 0 (`x.clamp_min(1e-8)`), or use the fused
  `*_with_logits` and `log_softmax` forms.
- Check inputs and targets of that batch for NaN.
- If the loss grew before, lower the learning rate or clip the gradients first.

```python
torch.autograd.set_detect_anomaly(True)  # names the operation; slow, for the search only
if not torch.isfinite(loss):
    raise RuntimeError("loss is not finite")
```""")

_HALF_ADVICE = Text("""Keep the weights in float32 and let autocast use float16 where it is safe; the scaler keeps small gradients above 0:

```python
model.float()
scaler = torch.amp.GradScaler()
with torch.autocast("cuda", torch.float16):
    loss = criterion(model(x), y)
scaler.scale(loss).backward()
scaler.step(optimizer)
scaler.update()
```

- Where the device has it, bfloat16 needs no scaler, and there an epsilon of 1e-8 is not 0.
- If all must be float16: `eps=1e-4` in Adam's kind of optimizer, and stochastic rounding or a float32 copy of the weights.
- Begin again from before step {step}: the weights are void.""")


class _Broken(NamedTuple):
    """Evidence, first broken value, number of broken steps, of broken and of all records, and whether the run survived."""

    evidence: Evidence
    value: float
    hits: int
    records: tuple[int, int]
    survived: bool


@dataclass(frozen=True)
class NonFiniteLoss:
    """The loss, or one of its terms, became NaN or infinite.

    Why it matters: one NaN in a loss makes every gradient NaN, and one update with it destroys all parameters; nothing after
    that step can be used.

    How it decides: any recorded loss or loss term that is NaN or infinite. The values are raw, never averaged. It names the
    first one, the term rather than the total when both break at the same step, and what was broken before it: a gradient, a
    weight, an activation, or nothing; and the rows of that batch, where the loop says them (`writer.data(ids)`). Unit: optimizer steps.

    What to try first: look at the batch of that step, protect `log`, `sqrt` and divisions, then lower the learning rate.

    Guards against: a loss that isn't recorded at a step isn't a NaN; a rare one that the run survives (fewer than
    `max_survived` of the steps, and finite again at the end) is only a warning.

    References: PyTorch, `torch.autograd.set_detect_anomaly`; Micikevicius et al. 2018, Mixed Precision Training
    (arXiv 1710.03740).
    """

    code: ClassVar[str] = "LD101"
    name: ClassVar[str] = "non-finite-loss"
    severity: ClassVar[Severity] = Severity.ERROR
    title: ClassVar[Text] = Text("The loss is NaN or infinite")
    reads: ClassVar[tuple[Quantity, ...]] = (q.LOSS, q.LOSS_NONFINITE)
    may_read: ClassVar[tuple[Quantity, ...]] = (
        q.LOSS_TERM,
        q.LOSS_TERM_NONFINITE,
        q.GRADIENT_NONFINITE,
        q.NONFINITE_STEPS,
        q.PARAMETER_NORM,
        q.ACTIVATION_NONFINITE,
        q.STEPS,
    )
    explains: ClassVar[tuple[str, ...]] = (
        "LD102", "LD103", "LD104", "LD107", "LD118", "LD205", "LD403", "LD523", "LD705",
    )  # fmt: skip

    #: share of steps, 1; a trainer that skips bad batches survives a few, PyTorch's GradScaler aims at 1 in 2000 steps
    max_survived: float = 0.01

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield one finding for the first value that is not finite."""
        found = [*self._broken(run, q.LOSS_TERM_NONFINITE, q.LOSS_TERM)]
        found += self._broken(run, q.LOSS_NONFINITE, q.LOSS)
        if found:
            yield self._finding(run, min(found, key=lambda item: item.evidence.first_step))

    def _broken(self, run: Run, flag: Quantity, value: Quantity) -> Iterator[_Broken]:
        if flag not in run or value not in run:
            return
        table, at = run[flag], run.highest_at(flag)
        for index, name in enumerate(table.columns):
            flags = table.values[:, index]
            known = np.flatnonzero(~np.isnan(flags))
            bad = np.flatnonzero(flags > 0)
            if len(bad):
                first = float(run.highest(value).at(table.steps[bad[:1]], [name])[0, 0])
                ends = int(at[bad[0], index]), int(table.steps[bad[-1]])
                count = int(np.where(np.isfinite(flags[bad]), flags[bad], 1.0).sum())
                share = min(len(bad) / len(known), count / _steps(run, table.steps[known]))
                evidence = Evidence(value.name, name, *ends)
                survived = bad[-1] != known[-1] and share < self.max_survived
                records = len(bad), len(known)
                yield _Broken(evidence, first, count, records, bool(survived))

    def _finding(self, run: Run, found: _Broken) -> Finding:
        evidence = found.evidence
        what = _TERM.format(name=evidence.column) if evidence.column else _TOTAL
        origin, by_weight = _origin(run, evidence.first_step)
        batch = batch_of(run, evidence.first_step)
        words = {
            "value": "Inf" if np.isinf(found.value) else "NaN",
            "step": str(evidence.first_step),
            "bad": str(found.records[0]),
            "records": str(found.records[1]),
            "share": f"{100 * found.records[0] / found.records[1]:.1f}",
        }
        message = _MESSAGE.format(
            what=what, origin=origin, batch=batch, steps=in_steps(found.hits), **words
        )
        return Finding(
            self.code,
            Severity.WARNING if found.survived else self.severity,
            evidence.column,
            (evidence,),
            message,
            (_HALF_ADVICE if by_weight and _is_half(run) else _ADVICE).format(step=words["step"]),
            {"count": found.hits, "records": found.records[1]},
            evidence.first_step,
        )


def _steps(run: Run, at: Steps) -> int:
    """Optimizer steps behind these records; their number where that isn't recorded."""
    if q.STEPS not in run or len(run[q.STEPS].columns) > 1:
        return len(at)
    counted = run[q.STEPS].at(at)[:, 0]
    return max(int(np.where(np.isfinite(counted), counted, 1.0).sum()), 1)


def _origin(run: Run, step: int) -> tuple[Text, bool]:
    """What was broken before the loss at a step, and whether it was the weights."""
    if q.GRADIENT_NONFINITE not in run:
        return _UNKNOWN, False
    # Norms of a watched model are those after the step, which a broken loss has broken too.
    watched = int(q.STEPS in run)
    gradient, weight = non_finite.first_gradient(run), non_finite.first_weight(run)
    activation = non_finite.first_activation(run)
    for text, place, latest in (
        (_BY_GRADIENT, gradient, step - 1),
        (_BY_WEIGHT, weight, step - watched),
        (_BY_ACTIVATION, activation, step),
    ):
        if place is not None and place.step <= latest:
            by_weight = text is _BY_WEIGHT
            words: dict[str, str | Text] = {"name": place.column, "step": str(place.step)}
            words |= {"why": _why(run)} if by_weight else {}
            return text.format(**words), by_weight
    return _BY_LOSS, False


def _is_half(run: Run) -> bool:
    return run.facts.get("weights") == "float16"


def _why(run: Run) -> Text:
    """What the weights' precision has to do with it."""
    if not _is_half(run):
        return _NOTHING
    epsilon = run.facts.get("epsilon", "")
    try:
        vanishes = np.float16(float(epsilon)) == 0
    except ValueError:
        return _HALF
    return _EPSILON.format(epsilon=epsilon) if vanishes else _HALF
