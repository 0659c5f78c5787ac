"""LD627 validated-in-train-mode."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import Sighting, at_steps, columns, not_recorded, too_few
from tb_lossdiag.diagnosis.rule import Evidence, Finding, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "The model{model} was in train() in all {checks} validations that were looked at, the last before step {step}: its {modules} dropout and normalisation modules do there what they do in training."
)
_ADVICE = Text("""Switch the modes around the validation:

```python
model.eval()
with torch.no_grad():
    validate(model)
model.train()
```

`torch.no_grad()` switches off gradients only. In train() dropout goes on, and batch normalisation takes the statistics of the validation's own
batch, and learns them.""")


@dataclass(frozen=True)
class ValidatedInTrainMode:
    """The validation runs while the model is in train mode.

    Why it matters: the validation loss is noisier and worse than the model (dropout), or depends on what lies in the same batch, and the
    running statistics that the finished model will use have learned from validation data.

    How it decides: in check-ups that come right after a validation loss, every call of the model without gradients found one of its dropout
    or normalisation modules in train(); in all such check-ups of the run, at least `min_checks`. Unit: check-ups.

    What to try first: `model.eval()` before the validation, `model.train()` after it.

    Guards against: models without such modules; passes without gradients that belong to no validation (targets, rollouts, a generator's
    samples); samples drawn with dropout on purpose, beside a validation in eval() or of a model in eval() of which modules of dropout alone were put back into
    train().

    References: Gal and Ghahramani 2016, Dropout as a Bayesian Approximation (arXiv 1506.02142); PyTorch, `torch.nn.Module.eval`; wolny/pytorch-3dunet issue 53, deep-learning-with-pytorch/dlwpt-code issue 104.
    """

    code: ClassVar[str] = "LD627"
    name: ClassVar[str] = "validated-in-train-mode"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("Validated in train mode")
    reads: ClassVar[tuple[Quantity, ...]] = ()
    may_read: ClassVar[tuple[Quantity, ...]] = (
        q.EVALUATED_TRAINING, q.MODE_MODULES, q.VALIDATION_LOSS,
    )  # fmt: skip
    explains: ClassVar[tuple[str, ...]] = ("LD107", "LD108")

    #: check-ups; one may be an estimate that was meant so
    min_checks: int = 2

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding per watched model that is validated in train mode."""
        if q.EVALUATED_TRAINING not in run or q.VALIDATION_LOSS not in run:
            raise not_recorded(q.EVALUATED_TRAINING, q.VALIDATION_LOSS)
        judged = False
        for each in columns(run, q.EVALUATED_TRAINING):
            after = np.isin(each.steps, self._after_validations(run))
            judged |= bool(after.sum() >= self.min_checks)
            if after.sum() >= self.min_checks and np.all(each.values == 1):
                at = Sighting(each.column, each.steps[after], each.values[after])
                yield self._finding(run, at)
        if not judged:
            raise too_few(self.min_checks, Text("check-ups right after a validation loss"))

    def _after_validations(self, run: Run) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        """Steps that a validation loss was given for, and the next ones."""
        steps = run[q.VALIDATION_LOSS].steps
        return np.concatenate([steps, steps + 1])

    def _finding(self, run: Run, seen: Sighting) -> Finding:
        modules = at_steps(run, q.MODE_MODULES, seen.steps, seen.column)
        count = float(modules[-1])
        message = _MESSAGE.format(
            model=f" `{seen.column}`" if seen.column else "",
            checks=str(len(seen.steps)),
            step=str(seen.steps[-1]),
            modules=short_number(count),
        )
        ends = int(seen.steps[0]), int(seen.steps[-1])
        evidence = Evidence(q.EVALUATED_TRAINING.name, seen.column, *ends, 1.0, 0.0)
        numbers = {"modules": count, "checks": float(len(seen.steps))}
        return Finding(
            self.code, self.severity, seen.column, (evidence,), message, _ADVICE, numbers
        )
