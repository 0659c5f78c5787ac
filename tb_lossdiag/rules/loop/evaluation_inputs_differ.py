"""LD626 evaluation-inputs-differ."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import Sighting, at_steps, columns, too_few
from tb_lossdiag.analysis.curve import curve_of
from tb_lossdiag.diagnosis.rule import Evidence, Finding, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "In `eval()` the model is given inputs of mean {mean} and standard deviation {std}, in training of mean {train_mean} and standard deviation {train_std}, in the {checks} check-ups that saw a validation."
)
_ADVICE = Text("""Both must come through the same preprocessing, with statistics of the training data:

```python
for name, inputs in (("training", x_train), ("validation", x_valid)):
    print(name, inputs.dtype, inputs.mean().item(), inputs.std().item(), inputs.amin().item(), inputs.amax().item())
```

- About 255 times as large, or 0.25 as wide: `ToTensor` or the normalisation is missing on one side.
- Shifted: each side was scaled by its own statistics, or the columns are in another order.
- The same data after all: augmentation on one side changes the scale; undo its factor.""")


@dataclass(frozen=True)
class EvaluationInputsDiffer:
    """What the model is given in eval() is not like what it is trained on.

    Why it matters: the model answers a question that it was never asked. The validation loss says nothing about it, and what is built on
    that (early stopping, the best checkpoint, a rate that waits for a plateau) goes by noise.

    How it decides: validations that a check-up happened to see, or that were expected from the distance of those before, up to five. In each
    of them, at least `min_looks`, the input's standard deviation is `max_scale` times off that of training inputs, or its mean lies
    `max_shift` of their standard deviations away, and neither is within what training inputs vary by. Where the validation loss is known to
    be no more than `max_harm` times the training loss it is an information. Units: factor; standard deviations.

    What to try first: print mean and standard deviation of one batch of each.

    Guards against: tokens and other whole numbers; augmentation, which changes less; inputs that vary as much in training; a single look.

    References: Breck et al. 2019, Data Validation for Machine Learning (training-serving skew).
    """

    code: ClassVar[str] = "LD626"
    name: ClassVar[str] = "evaluation-inputs-differ"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("Validation inputs are not like training inputs")
    reads: ClassVar[tuple[Quantity, ...]] = (q.EVAL_INPUT_STD, q.EVAL_INPUT_MEAN, q.INPUT_STD)
    may_read: ClassVar[tuple[Quantity, ...]] = (q.INPUT_MEAN, q.VALIDATION_LOSS, q.LOSS)
    explains: ClassVar[tuple[str, ...]] = ("LD107", "LD108")

    #: validations; one may be a trial
    min_looks: int = 2
    #: factor; a normalisation that is missing is 3 to 5 for images in [0, 1]
    max_scale: float = 2.0
    #: standard deviations; dropout of inputs and brightness shift by less
    max_shift: float = 1.0
    #: validation over training loss, 1; as LD108 takes for another scale
    max_harm: float = 1.5

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding per watched model whose validation inputs are others."""
        judged = False
        for look in columns(run, q.EVAL_INPUT_STD):
            train = next((c for c in columns(run, q.INPUT_STD) if c.column == look.column), None)
            if len(look.steps) < self.min_looks or train is None or not len(train.steps):
                continue
            judged = True
            means = at_steps(run, q.INPUT_MEAN, train.steps, look.column, 0.0)
            if self._differ(run, look, train, (float(means.min()), float(means.max()))):
                yield self._finding(
                    run, look, float(np.median(train.values)), float(np.median(means))
                )
        if not judged:
            raise too_few(self.min_looks, Text("validations in eval() that a check-up sees"))

    def _differ(
        self, run: Run, look: Sighting, train: Sighting, means: tuple[float, float]
    ) -> bool:
        low, high = float(train.values.min()), float(train.values.max())
        mean = at_steps(run, q.EVAL_INPUT_MEAN, look.steps, look.column)
        wider = look.values >= self.max_scale * high
        narrower = look.values * self.max_scale <= low
        away = np.maximum(means[0] - mean, mean - means[1]) >= self.max_shift * max(high, 1e-30)
        return bool(np.all(wider | narrower | away))

    def _finding(self, run: Run, look: Sighting, std: float, mean: float) -> Finding:
        ends = int(look.steps[0]), int(look.steps[-1])
        there = at_steps(run, q.EVAL_INPUT_MEAN, look.steps, look.column)
        message = _MESSAGE.format(
            mean=short_number(float(np.median(there))),
            std=short_number(float(np.median(look.values))),
            train_mean=short_number(mean),
            train_std=short_number(std),
            checks=str(len(look.steps)),
        )
        evidence = Evidence(
            q.EVAL_INPUT_STD.name, look.column, *ends, float(np.median(look.values)), std
        )
        numbers = {"std": float(np.median(look.values)), "train_std": std}
        severity = Severity.INFO if self._harmless(run) else self.severity
        return Finding(self.code, severity, look.column, (evidence,), message, _ADVICE, numbers)

    def _harmless(self, run: Run) -> bool:
        """Whether validation is known to do as well as training."""
        if q.VALIDATION_LOSS not in run or q.LOSS not in run or not len(run[q.VALIDATION_LOSS]):
            return False
        last = run[q.VALIDATION_LOSS]
        train = float(curve_of(run, q.LOSS).level_at(last.steps[-1:])[0])
        return bool(float(last.values[-1, 0]) <= self.max_harm * train)
