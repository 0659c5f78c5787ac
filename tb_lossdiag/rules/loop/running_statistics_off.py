"""LD622 running-statistics-off."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import at_steps, columns, too_few
from tb_lossdiag.analysis.curve import Curve, curve_of
from tb_lossdiag.diagnosis.rule import Evidence, Finding, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.records import Doubles, Steps
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "In the last check-up, at step {step}, a batch normalisation remembered a mean that lies {shift} standard deviations from that of its batch, and a spread {scale} times off. `eval()` computes with what is remembered: the validation loss is {validation} beside {train} in training, and was {ratio} times as large from the first one on."
)
_FRESH = Text(
    "When the model was validated at step {step}, {count} of its batch normalisations had the statistics that they began with, mean 0 and variance 1, as in all of the {validations} validations: no batch has moved them. The validation loss is {validation} beside {train} in training, and has lost {percent}% of its first value at most."
)
_FRESH_ADVICE = Text("""The model that is validated has learned, and what its batch normalisation remembers has not: it was trained as another object, and its
parameters alone were copied. Running statistics are buffers:

```python
import copy

trained = copy.deepcopy(model)  # stands for whoever saw the batches
model.load_state_dict(trained.state_dict())  # model.parameters() leaves out running_mean and running_var
```

Where they cannot be averaged, `torch.optim.swa_utils.update_bn(loader, model)` computes them anew, or group normalisation remembers nothing.""")
_ADVICE = Text("""In `eval()` the model is another function than the one that is trained: what batch normalisation remembers has not caught up with
what it is given. Score a training batch both ways to see it:

```python
for mode in (True, False):
    model.train(mode)
    with torch.no_grad():
        print(mode, criterion(model(inputs), targets))
model.train()
```

- Few steps, or a momentum near 0: raise `momentum`, train for longer, or let `torch.optim.swa_utils.update_bn(loader, model)` compute the
  statistics anew before each validation.
- Inputs of the layer far from mean 0 and variance 1: scale them, and the first steps are right already.
- One layer for two kinds of data, or a forward in `train()` mode on other data: give each its own layer, or `model.eval()` there.
- Group or layer normalisation remembers nothing.""")


@dataclass(frozen=True)
class RunningStatisticsOff:
    """Batch normalisation remembers other statistics than its batches have, and validation suffers.

    Why it matters: `train()` normalises by the batch, `eval()` by what was remembered. Where the two differ, the model that is validated and
    used isn't the one that was trained; more training data or regularisation, the cures for a gap, do nothing.

    How it decides: in the last `min_checks` check-ups, a module in train() remembered a mean at least `max_shift` standard deviations from
    its batch's, or a standard deviation at least `max_scale` times off; the validation loss is at least `min_ratio` times the training
    loss at its end, and was after the first such check-up. Or, in all of at least `min_fresh` validations, a module's mean is 0 and its variance 1,
    as they begin, with the same ratio at the end and, unless check-ups saw it in train(), a validation loss that has lost at most `max_fall` of its first value. Without a validation loss nothing is said. Units: standard deviations;
    factor.

    What to try first: compute the statistics anew before validation, to see whether the gap goes.

    Guards against: the first steps of a run that goes on; a gap that opens later, which is overfitting's; batches of fewer than 16 values
    per channel, whose own mean is noise; statistics that are off where validation does well.

    References: Ioffe and Szegedy 2015, Batch Normalization (arXiv 1502.03167), section 3.1; pytorch/pytorch issue 4741.
    """

    code: ClassVar[str] = "LD622"
    name: ClassVar[str] = "running-statistics-off"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text(
        "Batch normalisation remembers other statistics than its batches have"
    )
    reads: ClassVar[tuple[Quantity, ...]] = (q.VALIDATION_LOSS, q.LOSS)
    may_read: ClassVar[tuple[Quantity, ...]] = (
        q.RUNNING_SHIFT,
        q.RUNNING_SCALE,
        q.FRESH_STATISTICS,
    )
    explains: ClassVar[tuple[str, ...]] = ("LD107", "LD108")

    #: check-ups up to the last one; a batch may be an odd one
    min_checks: int = 2
    #: validations; one may come before the first step
    min_fresh: int = 3
    #: standard deviations; batches of 16 values differ by a sixth
    max_shift: float = 0.5
    #: share of the first validation loss, 1; a normalisation that never changes, in training either, is learned with
    max_fall: float = 0.25
    #: factor; half or twice the spread
    max_scale: float = 2.0
    #: validation over training loss, 1; as LD108 takes for another scale
    min_ratio: float = 1.5

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding per watched model whose statistics are off to the end."""
        validation, train = curve_of(run, q.VALIDATION_LOSS), curve_of(run, q.LOSS)
        for loss in (validation, train):
            loss.needs_positive()
            loss.needs(1)
        judged = q.FRESH_STATISTICS in run and len(run[q.FRESH_STATISTICS]) >= self.min_fresh
        if judged:
            yield from self._fresh(run, validation, train)
        for column, steps, shift in columns(run, q.RUNNING_SHIFT):
            judged |= len(steps) >= self.min_checks
            scale = at_steps(run, q.RUNNING_SCALE, steps, column, 1.0)
            off = (shift >= self.max_shift) | (scale >= self.max_scale)
            if len(steps) < self.min_checks or not off[-self.min_checks :].all():
                continue
            ratios = self._ratios(validation, train, int(steps[off][0]))
            if len(ratios) and min(ratios[0], ratios[-1]) >= self.min_ratio:
                last = float(shift[-1]), float(scale[-1])
                yield self._finding(column, steps, last, (validation, train, ratios))
        if not judged:
            raise too_few(self.min_checks, Text("check-ups of batch normalisation in train()"))

    def _fresh(self, run: Run, validation: Curve, train: Curve) -> Iterator[Finding]:
        """A finding where no batch has moved what is validated with."""
        table = run[q.FRESH_STATISTICS]
        counts, ratios = table.values[:, 0].astype(float), self._ratios(validation, train, 0)
        fallen = 1 - float(validation.values.min() / validation.values[0])
        # Check-ups compare the statistics of modules in train() alone; without them a normalisation may be meant to stay as it is.
        apart = q.RUNNING_SHIFT in run or fallen <= self.max_fall
        ends = len(ratios) and ratios[-1] >= self.min_ratio and apart
        if not (counts > 0).all() or not ends:
            return
        message = _FRESH.format(
            step=str(int(table.steps[-1])),
            count=short_number(float(counts[-1])),
            validations=str(len(counts)),
            validation=short_number(float(validation.values[-1])),
            train=short_number(float(train.level_at(validation.steps[-1:])[0])),
            percent=short_number(100 * fallen),
        )
        window = int(table.steps[0]), int(table.steps[-1])
        evidence = Evidence(q.FRESH_STATISTICS.name, "", *window, float(counts[-1]), 0.0)
        numbers = {"modules": float(counts[-1]), "ratio": float(ratios[-1])}
        yield Finding(self.code, self.severity, "", (evidence,), message, _FRESH_ADVICE, numbers)

    def _ratios(self, validation: Curve, train: Curve, since: int) -> Doubles:
        """float64[T]: validation over training loss from the first check-up on that was off."""
        there = validation.steps >= since
        level = train.level_at(validation.steps[there])
        ratios: Doubles = validation.values[there] / np.maximum(level, np.finfo(float).tiny)
        return ratios

    def _finding(
        self,
        column: str,
        steps: Steps,
        last: tuple[float, float],
        losses: tuple[Curve, Curve, Doubles],
    ) -> Finding:
        shift, scale = last
        validation, train, ratios = losses
        level = float(train.level_at(validation.steps[-1:])[0])
        message = _MESSAGE.format(
            step=str(int(steps[-1])),
            shift=short_number(shift),
            scale=short_number(scale),
            validation=short_number(float(validation.values[-1])),
            train=short_number(level),
            ratio=short_number(float(ratios[0])),
        )
        evidence = (
            Evidence(q.RUNNING_SHIFT.name, column, int(steps[0]), int(steps[-1]), shift, self.max_shift),
            Evidence(q.VALIDATION_LOSS.name, "", int(validation.steps[0]), int(validation.steps[-1])),
        )  # fmt: skip
        numbers = {"shift": shift, "scale": scale, "ratio": float(ratios[-1])}
        return Finding(self.code, self.severity, column, evidence, message, _ADVICE, numbers)
