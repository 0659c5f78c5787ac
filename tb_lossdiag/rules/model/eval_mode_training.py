"""LD703 eval-mode-training."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.modules import last_span
from tb_lossdiag.diagnosis.rule import Evidence, Finding, NotEnough, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "The model{model} was in eval() in {checks} check-ups while it was trained, since step {first} at the latest: its {modules} dropout and normalisation modules don't do what they do in training."
)
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
    least `min_checks` check-ups in a row up to the newest. Unit: check-ups.

    What to try first: `model.train()` at the beginning of every training epoch.

    Guards against: models in which the mode changes nothing; frozen normalisation layers in a model that is in train(); modules that
    are switched one by one.

    References: PyTorch, `torch.nn.Module.eval`, Autograd mechanics, "Evaluation Mode"; UMLAUT (Schoop et al. 2021) on missing dropout.
    """

    code: ClassVar[str] = "LD703"
    name: ClassVar[str] = "eval-mode-training"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("Trained in eval mode")
    reads: ClassVar[tuple[Quantity, ...]] = (q.EVAL_MODULES, q.MODE_MODULES, q.ROOT_TRAINING)
    may_read: ClassVar[tuple[Quantity, ...]] = ()
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
                yield self._finding(name, (int(steps[0]), int(steps[-1])), span.size, modules)

    def _finding(
        self,
        name: str,
        ends: tuple[int, int],
        checks: int,
        modules: np.ndarray[tuple[int], np.dtype[np.float32]],
    ) -> Finding:
        count = float(np.nanmax(modules))
        message = _MESSAGE.format(
            model=f" `{name}` " if name else "",
            checks=str(checks),
            first=str(ends[0]),
            modules=short_number(count),
        )
        evidence = Evidence(q.EVAL_MODULES.name, name, *ends, count, 0.0)
        numbers = {"modules": count, "checks": checks}
        return Finding(self.code, self.severity, name, (evidence,), message, _ADVICE, numbers)
