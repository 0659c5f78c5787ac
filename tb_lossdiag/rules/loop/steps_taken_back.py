"""LD632 steps-taken-back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.curve import curve_of
from tb_lossdiag.diagnosis.judged import with_judged
from tb_lossdiag.diagnosis.rule import Evidence, Finding, NotEnough, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "Each step moves the parameters, that of `{layer}` by {step}, and yet over {steps} steps its norm has strayed by {strayed}, what a single step does to it: what a step does is taken back before the next. So it is of all {count} parameters."
)
_JUDGED = Text("distance of the norm of `{layer}` from its mean, over what a step does to it")
_ADVICE = Text("""Something puts the old weights back. Look between two steps for `load_state_dict`, `copy_`, an average that is swapped in for validation and not swapped out, a
target network that is copied the wrong way round, a model made anew from a checkpoint.

```python
before = [p.detach().clone() for p in model.parameters()]
optimizer.step()
after = [p.detach().clone() for p in model.parameters()]
# ... up to the next step:
print(sum(not torch.equal(p, q) for p, q in zip(model.parameters(), after)), "changed by others")
```""")


@dataclass(frozen=True)
class StepsTakenBack:
    """The optimizer changes the parameters, and something puts them back before the next step.

    Why it matters: nothing is learned, although gradients, rate and updates all look right.

    How it decides: each step's change d of a parameter of n elements changes its norm by about d / sqrt(n), in either direction. Steps that
    add up let the norm stray by more the more steps there are, by sqrt(T) times as much at least after T of them. The standard deviation of
    the norm over the run is below `max_strayed` such single changes for every parameter of `min_size` elements or more, over `min_steps`
    steps, while the loss has lost less than `learned` of its start. Unit: 1.

    What to try first: compare the parameters after a step with those before the next.

    Guards against: a minimum in which each step undoes the one before (there the loss has fallen); parameters that no step moves; steps too
    small to be seen in the rounding of a norm, which strays by more then.

    References: PyTorch forums and issues on averages of weights that are copied back; `torch.optim.swa_utils`.
    """

    code: ClassVar[str] = "LD632"
    name: ClassVar[str] = "steps-taken-back"
    severity: ClassVar[Severity] = Severity.ERROR
    title: ClassVar[Text] = Text("The steps are taken back")
    reads: ClassVar[tuple[Quantity, ...]] = (
        q.PARAMETER_NORM, q.UPDATE_NORM, q.PARAMETER_SIZE, q.LOSS,
    )  # fmt: skip
    may_read: ClassVar[tuple[Quantity, ...]] = ()
    explains: ClassVar[tuple[str, ...]] = ("LD104", "LD109", "LD207", "LD523", "LD602")

    #: standard deviation of a norm over what one step changes it by, 1; measured 0.4 to 1 where steps are taken back, 6 and more elsewhere
    max_strayed: float = 3.0
    #: elements of a parameter; the norm of fewer may be moved by anything
    min_size: int = 8
    #: parameters; one alone may be at rest
    min_parameters: int = 3
    #: steps that the records cover; as many let a norm stray by 10 times a single change
    min_steps: int = 100
    #: records of a norm and its update
    min_records: int = 8
    #: share of the starting loss, 1; who has won a tenth is getting somewhere
    learned: float = 0.1

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding if nothing strays further than one step."""
        strayed = [each for name in run[q.UPDATE_NORM].columns if (each := self._of(run, name))]
        span = int(np.ptp(run[q.PARAMETER_NORM].steps)) if len(run[q.PARAMETER_NORM]) else 0
        if len(strayed) < self.min_parameters or span < self.min_steps:
            raise NotEnough(
                Text("norms and updates of {least} parameters over at least {steps} steps").format(
                    least=self.min_parameters, steps=self.min_steps
                )
            )
        ratio, name = max(strayed)
        loss = curve_of(run, q.LOSS)
        loss.needs(self.min_records)
        if ratio > self.max_strayed or loss.fall_at(loss.steps[-1:])[-1] >= self.learned:
            return
        table = run[q.PARAMETER_NORM]
        single = self._single(run, name)
        message = _MESSAGE.format(
            layer=name,
            step=short_number(single * float(np.sqrt(_size(run, name)))),
            steps=str(span),
            strayed=short_number(ratio * single),
            count=str(len(strayed)),
        )
        ends = int(table.steps[0]), int(table.steps[-1])
        norms = table.column(name).astype(np.float64)
        evidence = with_judged(
            Evidence(q.PARAMETER_NORM.name, name, *ends, ratio, self.max_strayed),
            _JUDGED.format(layer=name),
            table.steps,
            np.abs(norms - np.nanmean(norms)) / single,
        )
        yield Finding(
            self.code, self.severity, "", (evidence,), message, _ADVICE, {"strayed": ratio}
        )

    def _of(self, run: Run, name: str) -> tuple[float, str] | None:
        """How far a parameter's norm has strayed, in changes of single steps; None where it can't be told."""
        table = run[q.PARAMETER_NORM]
        if name not in table.columns or _size(run, name) < self.min_size:
            return None
        norms = table.column(name).astype(np.float64)
        norms = norms[np.isfinite(norms)]
        single = self._single(run, name)
        if len(norms) < self.min_records or not single > 0:
            return None
        return float(norms.std()) / single, name

    def _single(self, run: Run, name: str) -> float:
        """What one step changes the norm by, typically."""
        updates = run[q.UPDATE_NORM].column(name).astype(np.float64)
        known = updates[np.isfinite(updates)]
        return float(np.median(known)) / float(np.sqrt(_size(run, name))) if len(known) else 0.0


def _size(run: Run, name: str) -> float:
    """Elements of a parameter; 0 where nobody said."""
    table = run[q.PARAMETER_SIZE]
    return float(np.nanmax(table.column(name), initial=0.0)) if name in table.columns else 0.0
