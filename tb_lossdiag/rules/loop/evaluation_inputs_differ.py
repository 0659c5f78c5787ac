"""LD626 evaluation-inputs-differ."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import Sighting, at_steps, columns, too_few
from tb_lossdiag.analysis.curve import curve_of
from tb_lossdiag.analysis.loss_calls import REGRESSION, calls_if_any
from tb_lossdiag.diagnosis.rule import Evidence, Finding, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.records import Doubles
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "In `eval()` the model is given inputs of mean {mean} and standard deviation {std}, in training of mean {train_mean} and standard deviation {train_std}, in the {checks} check-ups that saw a validation."
)
_TARGETS = Text(
    "Validation compares with targets of mean {mean} and standard deviation {std}, training with ones of mean {train_mean} and standard deviation {train_std}, in the {checks} check-ups that saw a validation."
)
_TARGETS_ADVICE = Text("""Both sides of a comparison must be of one unit: scale the targets of the validation as those of the training, or bring the answers back first:

```python
answers = model(x_valid) * y_train.std() + y_train.mean()
loss = torch.nn.functional.mse_loss(answers, y_valid)
```""")
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
    be no more than `max_harm` times the training loss it is an information. The same of the targets of the
    one distance that training takes (`mse_loss` and its like), where that loss is known to be more. Units: factor; standard deviations.

    What to try first: print mean and standard deviation of one batch of each.

    Guards against: tokens and other whole numbers; augmentation, which changes less; inputs that vary as much in training; a single look.

    References: Breck et al. 2019, Data Validation for Machine Learning (training-serving skew).
    """

    code: ClassVar[str] = "LD626"
    name: ClassVar[str] = "evaluation-inputs-differ"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("Validation inputs are not like training inputs")
    reads: ClassVar[tuple[Quantity, ...]] = (q.EVAL_INPUT_STD, q.EVAL_INPUT_MEAN, q.INPUT_STD)
    may_read: ClassVar[tuple[Quantity, ...]] = (
        q.INPUT_MEAN, q.VALIDATION_LOSS, q.LOSS, q.EVAL_TARGET_STD, q.EVAL_TARGET_MEAN, q.CALL_TARGET_STD, q.CALL_TARGET_MEAN,
    )  # fmt: skip
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
            there = at_steps(run, q.EVAL_INPUT_MEAN, look.steps, look.column)
            if self._differ((look.values, there), (train.values, means)):
                severity = Severity.INFO if self._harmless(run) else self.severity
                texts, seen = (_MESSAGE, _ADVICE), (look.values, there)
                yield self._finding(look, severity, texts, (seen, (train.values, means)))
        yield from self._targets(run)
        if not judged:
            raise too_few(self.min_looks, Text("validations in eval() that a check-up sees"))

    def _targets(self, run: Run) -> Iterator[Finding]:
        """Targets of another unit: only where that shows, since they are compared with what they were."""
        distances = calls_if_any(run, REGRESSION)
        looks = columns(run, q.EVAL_TARGET_STD) if q.EVAL_TARGET_STD in run else []
        if len(distances) != 1 or q.VALIDATION_LOSS not in run or self._harmless(run):
            return
        stds, means = (distances[0].of(each) for each in (q.CALL_TARGET_STD, q.CALL_TARGET_MEAN))
        known = np.isfinite(stds) & np.isfinite(means)
        for look in looks:
            there = at_steps(run, q.EVAL_TARGET_MEAN, look.steps, look.column)
            seen, trained = (look.values, there), (stds[known], means[known])
            if len(look.steps) >= self.min_looks and known.any() and self._differ(seen, trained):
                texts = _TARGETS, _TARGETS_ADVICE
                yield self._finding(look, self.severity, texts, (seen, trained))

    def _differ(self, seen: tuple[Doubles, Doubles], trained: tuple[Doubles, Doubles]) -> bool:
        """Whether standard deviations, or means, are all beyond those of training."""
        (stds, means), (train, train_means) = seen, trained
        low, high = float(train.min()), float(train.max())
        wider, narrower = stds >= self.max_scale * high, stds * self.max_scale <= low
        off = np.maximum(float(train_means.min()) - means, means - float(train_means.max()))
        return bool(np.all(wider | narrower | (off >= self.max_shift * max(high, 1e-30))))

    def _finding(
        self,
        look: Sighting,
        severity: Severity,
        texts: tuple[Text, Text],
        scales: tuple[tuple[Doubles, Doubles], tuple[Doubles, Doubles]],
    ) -> Finding:
        ends = int(look.steps[0]), int(look.steps[-1])
        (std, mean), (train_std, train_mean) = (
            tuple(float(np.median(each)) for each in pair) for pair in scales
        )
        words = {"mean": mean, "std": std, "train_mean": train_mean, "train_std": train_std}
        shown = {name: short_number(value) for name, value in words.items()}
        message = texts[0].format(checks=str(len(look.steps)), **shown)
        quantity = q.EVAL_INPUT_STD if texts[0] is _MESSAGE else q.EVAL_TARGET_STD
        evidence = Evidence(quantity.name, look.column, *ends, std, train_std)
        numbers = {"std": std, "train_std": train_std}
        return Finding(self.code, severity, look.column, (evidence,), message, texts[1], numbers)

    def _harmless(self, run: Run) -> bool:
        """Whether validation is known to do as well as training."""
        if q.VALIDATION_LOSS not in run or q.LOSS not in run or not len(run[q.VALIDATION_LOSS]):
            return False
        last = run[q.VALIDATION_LOSS]
        train = float(curve_of(run, q.LOSS).level_at(last.steps[-1:])[0])
        return bool(float(last.values[-1, 0]) <= self.max_harm * train)
