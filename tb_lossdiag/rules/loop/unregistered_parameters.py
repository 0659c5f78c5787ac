"""LD624 unregistered-parameters."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import columns, not_recorded, too_few
from tb_lossdiag.diagnosis.rule import Evidence, Finding, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.records import Doubles, Steps
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "In the last check-up, at step {step}, {count} parameter tensors took part in the model's forward pass that neither the model nor its optimizer holds ({kinds}): gradients arrive at them, and they have not changed in {steps} steps."
)
_REDRAWN = Text(
    "In the last check-up, at step {step}, {count} parameter tensors were made in the model's forward pass itself ({kinds}): gradients arrive at them, and by the check-up before there had been others, with other values."
)
_REDRAWN_ADVICE = Text("""A layer that is made in `forward` is drawn anew at each call: what it passes on changes at random, and nobody trains it. Make it once:

```python
class Body(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden = torch.nn.Linear(8, 8)  # not in forward()

    def forward(self, x):
        return self.hidden(x)
```

Where its size is only known from the first batch, `torch.nn.LazyLinear(8)` waits for it. If it is to be random, say so:
`module.requires_grad_(False)`.""")
_LOOSE = Text(
    "In the last check-up, at step {step}, gradients arrived at {count} tensors that no module and no optimizer holds (shapes {shapes}), and they have not changed in {steps} steps: they are to be learned, and nobody does."
)
_LOOSE_ADVICE = Text("""A tensor is a parameter of a module only where an `nn.Parameter` itself is assigned to it; what is computed of one (`.to(device)`, `.float()`, a
factor) is none:

```python
class Scaled(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = torch.nn.Parameter(0.1 * torch.ones(64))  # not torch.nn.Parameter(torch.ones(64)) * 0.1
```

A coefficient beside the model has to be given to the optimizer:

```python
coefficient = torch.nn.Parameter(torch.tensor(1.0))
optimizer = torch.optim.Adam([*model.parameters(), coefficient], lr=1e-3)
```

Where it is to stay as it is, it needs no gradient: `requires_grad=False`.""")
_ADVICE = Text("""Modules in a plain list or dict are not the model's: `parameters()`, `to()`, `state_dict()` and `train()` pass them by. Register them:

```python
class Body(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.blocks = torch.nn.ModuleList([torch.nn.Linear(8, 8) for _ in range(3)])  # not [...]
        self.heads = torch.nn.ModuleDict(dict(a=torch.nn.Linear(8, 2)))  # not dict(...)
```

`add_module(name, module)` and `nn.ParameterList` do the same. Make the optimizer afterwards. If they are to stay as they are, say so:
`module.requires_grad_(False)`.""")


@dataclass(frozen=True)
class UnregisteredParameters:
    """Modules that the forward pass uses belong neither to the model nor to the optimizer.

    Why it matters: they keep their random beginning for good, are missing from every checkpoint and stay behind when the model is moved to
    another device. The rest learns around them, so the loss falls.

    How it decides: at check-ups, the parameters of each module that is called inside of the model's forward pass are compared with the
    model's and the optimizer's. Others that require a gradient, have one, and are the same as when they were first seen: at least one
    in each of the last `min_checks` check-ups. Or others, behind a trained layer, that have a gradient while those of the check-up before
    are gone, with other values: as many. Or tensors at the ends of the loss' graph that no module and no optimizer of the process holds, be it
    called or not: as many, in as many check-ups, a warning; `nn.Parameter`s of any size, and of others those of 16 numbers at most that are
    not all 0. Unit: tensors.

    What to try first: `nn.ModuleList` and `nn.ModuleDict` in place of lists and dicts.

    Guards against: modules of another optimizer, which change; frozen ones; layers made anew that begin with the same values each time, as
    a normalisation does; random convolutions of the input, which augment it; copies of the model that learn within a step; modules that are called beside the model, such as a loss
    network; data of which gradients are asked, as for an equation: what a module is given is made of them; the 0 that a sum begins with.

    References: PyTorch, `nn.ModuleList`: modules in it are properly registered, and visible by all Module methods.
    """

    code: ClassVar[str] = "LD624"
    name: ClassVar[str] = "unregistered-parameters"
    severity: ClassVar[Severity] = Severity.ERROR
    title: ClassVar[Text] = Text("Parts of the model that nobody trains")
    reads: ClassVar[tuple[Quantity, ...]] = ()
    may_read: ClassVar[tuple[Quantity, ...]] = (q.UNREGISTERED, q.REDRAWN, q.LOOSE)
    explains: ClassVar[tuple[str, ...]] = ("LD104", "LD105", "LD109", "LD523")

    #: check-ups; in one, another optimizer's parameters may not have been stepped yet
    min_checks: int = 4

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding per watched model with such parts."""
        if q.UNREGISTERED not in run and q.LOOSE not in run:
            raise not_recorded(q.UNREGISTERED)
        judged = False
        ways = (
            (q.UNREGISTERED, self._finding),
            (q.REDRAWN, self._drawn_anew),
            (q.LOOSE, self._of_none),
        )
        for quantity, finding in ways:
            for column, steps, counts in columns(run, quantity):
                judged |= len(steps) >= self.min_checks
                if len(steps) >= self.min_checks and np.all(counts[-self.min_checks :] > 0):
                    yield finding(run, column, steps, counts)
        if not judged:
            raise too_few(self.min_checks, Text("check-ups that see parameters of nobody"))

    def _finding(self, run: Run, column: str, steps: Steps, counts: Doubles) -> Finding:
        ends = int(steps[0]), int(steps[-1])
        message = _MESSAGE.format(
            step=str(ends[1]),
            count=short_number(float(counts[-1])),
            kinds=run.facts.get("unregistered") or "?",
            steps=str(ends[1] - ends[0]),
        )
        evidence = Evidence(q.UNREGISTERED.name, column, *ends, float(counts[-1]), 0.0)
        numbers = {"tensors": float(counts[-1])}
        return Finding(self.code, self.severity, column, (evidence,), message, _ADVICE, numbers)

    def _of_none(self, run: Run, column: str, steps: Steps, counts: Doubles) -> Finding:
        ends, count = (int(steps[0]), int(steps[-1])), float(counts[-1])
        message = _LOOSE.format(
            step=str(ends[1]),
            count=short_number(count),
            shapes=run.facts.get("loose") or "?",
            steps=str(ends[1] - ends[0]),
        )
        evidence = Evidence(q.LOOSE.name, column, *ends, count, 0.0)
        return Finding(
            self.code,
            Severity.WARNING,
            column,
            (evidence,),
            message,
            _LOOSE_ADVICE,
            {"tensors": count},
        )

    def _drawn_anew(self, run: Run, column: str, steps: Steps, counts: Doubles) -> Finding:
        ends, count = (int(steps[0]), int(steps[-1])), float(counts[-1])
        kinds = run.facts.get("unregistered") or "?"
        message = _REDRAWN.format(step=str(ends[1]), count=short_number(count), kinds=kinds)
        evidence = Evidence(q.REDRAWN.name, column, *ends, count, 0.0)
        numbers = {"tensors": count}
        advice = _REDRAWN_ADVICE
        return Finding(self.code, self.severity, column, (evidence,), message, advice, numbers)
