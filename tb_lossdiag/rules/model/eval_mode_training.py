"""LD703 eval-mode-training."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import value_in_force
from tb_lossdiag.analysis.modules import last_span
from tb_lossdiag.diagnosis.rule import Evidence, Finding, NotEnough, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "The model{model} was in eval() in {checks} check-ups while it was trained, since step {first} at the latest: its {modules} dropout and normalisation modules don't do what they do in training."
)
_PART = Text(
    "The model{model} was in train(), and its part `{part}` in eval() while it was trained, in {checks} check-ups since step {first} at the latest: {modules} dropout and normalisation modules in it don't do what they do in training."
)
_BUT = Text(
    "The model{model} was in eval() while it was trained, all but a part of it, in {checks} check-ups since step {first} at the latest: {modules} dropout and normalisation modules of layers that the optimizer trains don't do what they do in training."
)
_PART_ADVICE = Text("""A part from a library comes in eval(), and a framework that calls `train()` once, or only on what it made itself, leaves it so. Where
the training begins:

```python
model.train()  # all parts, also those that were loaded
```

If only its normalisation is to keep its statistics, put only those layers into eval() after it.""")
_ADVICE = Text("""Call `train()` where the training part begins, not once before the loop; validation leaves the model in eval():

```python
for epoch in range(epochs):
    model.train()
    train_one_epoch(model, optimizer)
    model.eval()
    with torch.no_grad():
        validate(model)
```

A model from a library may come in eval(). To keep only normalisation layers fixed while fine-tuning, call `model.train()` and then
`eval()` on those layers: LD703 leaves that alone.""")


@dataclass(frozen=True)
class EvalModeTraining:
    """The model is trained while it is in eval mode.

    Why it matters: dropout is off, so the run overfits sooner; batch normalisation uses and never updates its running statistics, which
    after initialisation are those of no data at all.

    How it decides: during the forward pass `model.training` was False and all its dropout and normalisation modules were in eval, in at
    least `min_checks` check-ups in a row up to the newest. Or a part of it with modules of its own was in eval() as a whole, or its own
    layers were and a part was not, though the optimizer holds more of it than normalisation and it was called with gradients on: a warning if dropout
    is among what is off, an information if it is normalisation alone, whose statistics may be meant to stay. Unit: check-ups.

    What to try first: `model.train()` at the beginning of every training epoch.

    Guards against: models in which the mode changes nothing; frozen normalisation layers in a model that is in train(); modules that
    are switched one by one; a frozen part, a teacher or a judge that another optimizer trains, which belong in eval().

    References: PyTorch, `torch.nn.Module.eval`, Autograd mechanics, "Evaluation Mode"; UMLAUT (Schoop et al. 2021) on missing dropout.
    """

    code: ClassVar[str] = "LD703"
    name: ClassVar[str] = "eval-mode-training"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("Trained in eval mode")
    reads: ClassVar[tuple[Quantity, ...]] = (q.EVAL_MODULES, q.MODE_MODULES, q.ROOT_TRAINING)
    may_read: ClassVar[tuple[Quantity, ...]] = (q.ASLEEP_DROPOUTS, q.ASLEEP_MODULES)
    explains: ClassVar[tuple[str, ...]] = (
        "LD102", "LD104", "LD105", "LD107", "LD108", "LD202", "LD523", "LD601", "LD704",
    )  # fmt: skip

    #: check-ups in a row; one may be a forward pass that was never meant to train
    min_checks: int = 2

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding per watched model that is trained in eval mode."""
        off, all_modules, root = run.aligned(q.EVAL_MODULES, q.MODE_MODULES, q.ROOT_TRAINING)
        known = ~(np.isnan(off.values) | np.isnan(all_modules.values) | np.isnan(root.values))
        if known.sum(axis=0).max(initial=0) < self.min_checks:
            least = self.min_checks
            raise NotEnough(
                Text("at least {least} check-ups that saw the model's forward pass").format(
                    least=least
                )
            )
        for index, name in enumerate(off.columns):
            modules = all_modules.values[:, index]
            asleep = (
                (root.values[:, index] == 0) & (modules > 0) & (off.values[:, index] >= modules)
            )
            seen = np.where(known[:, index], modules, np.nan)
            span = last_span(seen, asleep, self.min_checks)
            if span is not None:
                steps = off.steps[known[:, index]][span.records]
                at = _When(
                    name, int(steps[0]), int(steps[-1]), span.size, float(np.nanmax(modules))
                )
                yield self._finding(q.EVAL_MODULES, at, _MESSAGE.format(**at.words()), _ADVICE)
            else:
                yield from self._parts(run, name)

    def _parts(self, run: Run, name: str) -> Iterator[Finding]:
        """A finding if a part of the model is trained in eval mode."""
        if q.ASLEEP_MODULES not in run or q.ASLEEP_DROPOUTS not in run:
            return
        modules, dropouts = run.aligned(q.ASLEEP_MODULES, q.ASLEEP_DROPOUTS)
        if name not in modules.columns:
            return
        index = modules.columns.index(name)
        off = modules.values[:, index]
        span = last_span(off, off > 0, self.min_checks)
        if span is not None:
            steps = modules.steps[~np.isnan(off)][span.records]
            at = _When(name, int(steps[0]), int(steps[-1]), span.size, float(np.nanmax(off)))
            drops = np.nanmax(dropouts.values[:, index]) > 0
            found = self._finding(q.ASLEEP_MODULES, at, _of_part(run, at), _PART_ADVICE)
            yield found if drops else replace(found, severity=Severity.INFO)

    def _finding(self, quantity: Quantity, at: _When, message: Text, advice: Text) -> Finding:
        evidence = Evidence(quantity.name, at.model, at.first, at.last, at.modules, 0.0)
        numbers = {"modules": at.modules, "checks": at.checks}
        return Finding(self.code, self.severity, at.model, (evidence,), message, advice, numbers)


def _of_part(run: Run, at: _When) -> Text:
    """What was in eval(), in words."""
    parts = [each for each in run.facts.get(q.ASLEEP_PARTS, "").split(q.LINES) if each]
    if value_in_force(run, q.ROOT_TRAINING, at.last, at.model) == 0:
        return _BUT.format(**at.words())
    return _PART.format(**at.words(), part=", ".join(parts))


@dataclass(frozen=True)
class _When:
    """A model's check-ups in eval mode, and how many modules that concerns."""

    model: str
    first: int
    last: int
    checks: int
    modules: float

    def words(self) -> dict[str, str]:
        return {
            "model": f" `{self.model}` " if self.model else "",
            "checks": str(self.checks),
            "first": str(self.first),
            "modules": short_number(self.modules),
        }
