"""LD604 foreign-optimizer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import columns, value_in_force
from tb_lossdiag.analysis.parameters import compact, listed
from tb_lossdiag.diagnosis.rule import Evidence, Finding, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.run import Run

_NONE = Text("None of the {held} tensors that the optimizer holds is a parameter of the model.")
_SOME = Text(
    "{foreign} of the {held} tensors that the optimizer holds are not the model's, while {count} parameters of the model get gradients that nobody uses: {names}."
)
_ADVICE = Text("""The optimizer holds tensors of an older model or module. Make it last, after everything that replaces parameters (a new head,
`copy.deepcopy`, loading a whole model, FSDP or `to_empty`):

```python
model = build_model().to(device)
optimizer = torch.optim.{optimizer}(model.parameters(), lr=lr)
writer.watch(model, optimizer)
```

After replacing one module, `optimizer.add_param_group(dict(params=module.parameters()))` is enough.""")


@dataclass(frozen=True)
class ForeignOptimizer:
    """The optimizer holds another model's tensors instead of this one's.

    Why it matters: it updates tensors that the model no longer uses; the model stays as it was.

    How it decides: all tensors of the optimizer are foreign to the watched model, which has trainable parameters and never changes; or at least
    `min_foreign` are, and at least `min_lost` trainable parameters of the model get gradients, are held by no optimizer, and do not
    change since. Unit: tensors.

    What to try first: make the optimizer from the finished model.

    Guards against: an optimizer that also holds other models (all of this model's are held); models that are frozen on purpose while
    something else is optimised; parameters that another optimizer moves, or that are copied from the optimizer's own (their norm changes).

    References: PyTorch, `torch.optim`, "Constructing it": parameters must stay the same objects while the optimizer is used.
    """

    code: ClassVar[str] = "LD604"
    name: ClassVar[str] = "foreign-optimizer"
    severity: ClassVar[Severity] = Severity.ERROR
    title: ClassVar[Text] = Text("The optimizer trains other tensors")
    reads: ClassVar[tuple[Quantity, ...]] = (q.FOREIGN_PARAMETERS, q.HELD_PARAMETERS)
    may_read: ClassVar[tuple[Quantity, ...]] = (
        q.PARAMETER_HELD,
        q.PARAMETER_TRAINABLE,
        q.PARAMETER_NORM,
        q.GRADIENT_NORM,
    )
    explains: ClassVar[tuple[str, ...]] = ("LD104", "LD523", "LD603", "LD605")

    #: tensors; one replaced bias is one
    min_foreign: int = 1
    #: parameters; the same from the model's side
    min_lost: int = 1
    #: relative change of a parameter's norm over the run, 1; float32 rounding is 1e-7
    max_drift: float = 1e-6

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding per watched model whose optimizer holds something else."""
        for column, steps, foreign in columns(run, q.FOREIGN_PARAMETERS):
            held = (
                value_in_force(run, q.HELD_PARAMETERS, int(steps[-1]), column)
                if len(steps)
                else 0.0
            )
            if not len(steps) or foreign[-1] < self.min_foreign or not held > 0:
                continue
            first = int(steps[np.flatnonzero(foreign == foreign[-1])[0]])
            lost = [name for name in self._lost(run, first) if _of(name, column, run)]
            if foreign[-1] < held and len(lost) < self.min_lost:
                continue
            if foreign[-1] >= held and (not _trainable(run) or self._moves(run, column)):
                continue
            counts = float(foreign[-1]), held
            yield self._finding(run, column, (first, int(steps[-1])), counts, lost)

    def _moves(self, run: Run, column: str) -> bool:
        """Whether the watched model changes all the same, as where full-precision copies are written back into it."""
        norms = [s.values for s in columns(run, q.PARAMETER_NORM) if _of(s.column, column, run)]
        return any(len(v) > 1 and np.ptp(v) > self.max_drift * v.max() for v in norms)

    def _lost(self, run: Run, first: int) -> list[str]:
        """Parameters with gradients that no optimizer holds and, since this step, nothing moves."""
        if q.GRADIENT_NORM not in run or q.PARAMETER_HELD not in run:
            return []
        norms = {s.column: s.values[s.steps >= first] for s in columns(run, q.PARAMETER_NORM)}
        still = {
            name
            for name, v in norms.items()
            if len(v) > 1 and np.ptp(v) <= self.max_drift * v.max()
        }
        flags = [each for each in columns(run, q.PARAMETER_HELD) if len(each.values)]
        held = {each.column for each in flags if each.values[-1] > 0}
        graded = [each.column for each in columns(run, q.GRADIENT_NORM) if len(each.values)]
        return [name for name in graded if name not in held and name in still]

    def _finding(
        self,
        run: Run,
        column: str,
        ends: tuple[int, int],
        counts: tuple[float, float],
        lost: list[str],
    ) -> Finding:
        foreign, held = counts
        everything = run[q.GRADIENT_NORM].columns if q.GRADIENT_NORM in run else ()
        text = _NONE if foreign >= held else _SOME
        message = text.format(
            held=short_number(held),
            foreign=short_number(foreign),
            count=str(len(lost)),
            names=listed(compact(lost, everything)),
        )
        evidence = Evidence(q.FOREIGN_PARAMETERS.name, column, *ends, foreign, self.min_foreign)
        name = run.facts.get("optimizer", "")
        advice = _ADVICE.format(optimizer=name if name.isidentifier() else "AdamW")
        numbers = {"foreign": foreign, "held": held, "lost": len(lost)}
        return Finding(self.code, self.severity, column, (evidence,), message, advice, numbers)


def _of(name: str, column: str, run: Run) -> bool:
    """Whether a parameter belongs to the watched model of this column."""
    return len(run[q.FOREIGN_PARAMETERS].columns) == 1 or name.startswith(f"{column}/")


def _trainable(run: Run) -> bool:
    """Whether the run has a trainable parameter, as far as is known."""
    flags = [each.values[-1] for each in columns(run, q.PARAMETER_TRAINABLE) if len(each.values)]
    return not flags or max(flags) > 0
