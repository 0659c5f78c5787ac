"""LD610 everything-frozen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import columns
from tb_lossdiag.analysis.levels import Bools
from tb_lossdiag.analysis.parameters import compact, listed, sizes
from tb_lossdiag.diagnosis.rule import Evidence, Finding, NotEnough, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.records import Floats, Table
from tb_lossdiag.run import Run

_ALL = Text("None of the {all} parameters is trainable{since}.")
_HELD = Text(
    "None of the {held} parameters that the optimizer holds is trainable, while {free} others are: {names}."
)
_FEW = Text("Only {count} of {all} parameters are trainable, {percent}% of the elements: {names}.")
_SINCE = Text(" since step {step}")
_ADVICE = Text("""Unfreeze what should be trained, and give exactly that to the optimizer:

```python
for p in model.head.parameters():
    p.requires_grad_(True)
trainable = [p for p in model.parameters() if p.requires_grad]
optimizer = torch.optim.{optimizer}(trainable, lr=lr)
```

A phase that freezes modules must say what it trains: count `trainable` when it starts. An adapter that PEFT loads is
frozen unless it is asked for with `is_trainable=True`.""")


@dataclass(frozen=True)
class EverythingFrozen:
    """Nothing, or next to nothing, of the model is trainable.

    Why it matters: the steps cannot change what the model does.

    How it decides: in the newest record no parameter has `requires_grad`; or an optimizer holds parameters, none of them is
    trainable, but others are. Fewer elements than `min_share` trainable is an information. Unit: share of elements.

    What to try first: unfreeze, and make the optimizer from the trainable parameters.

    Guards against: adapters, prompts and linear probes, which train little on purpose (only an information, and only far below
    them); an optimizer that trains something else, as an image or a prompt, through a frozen model.

    References: PyTorch, "Autograd mechanics", `requires_grad`; "Transfer learning for computer vision" tutorial.
    """

    code: ClassVar[str] = "LD610"
    name: ClassVar[str] = "everything-frozen"
    severity: ClassVar[Severity] = Severity.ERROR
    title: ClassVar[Text] = Text("Nothing is trainable")
    reads: ClassVar[tuple[Quantity, ...]] = (q.PARAMETER_TRAINABLE,)
    may_read: ClassVar[tuple[Quantity, ...]] = (
        q.PARAMETER_SIZE,
        q.PARAMETER_HELD,
        q.FOREIGN_PARAMETERS,
        q.HELD_PARAMETERS,
    )
    explains: ClassVar[tuple[str, ...]] = ("LD104", "LD109", "LD208", "LD523", "LD605")

    #: share of the elements, 1; a linear probe of a large backbone has 1e-4, prompts have 1e-5
    min_share: float = 1e-6

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield at most one finding, for the newest record."""
        table = run[q.PARAMETER_TRAINABLE]
        newest = table.values[-1]
        known = ~np.isnan(newest)
        if not known.any():
            raise NotEnough(Text("a model with parameters"))
        free = newest > 0
        if not free.any():
            yield self._all(run, table, known)
            return
        held = self._held(run, table)
        if (held & known).any() and not (held & free).any():
            words = {"held": str(int(held.sum())), "free": str(int(free.sum()))}
            yield self._finding(run, _HELD, words, free)
        else:
            yield from self._few(run, table, free, known)

    def _all(self, run: Run, table: Table, known: Bools) -> Finding:
        trainable = np.flatnonzero((table.values > 0).any(axis=1))
        first = int(table.steps[trainable[-1] + 1]) if len(trainable) else int(table.steps[0])
        since = _SINCE.format(step=str(first)) if len(trainable) else Text("")
        count = str(int(known.sum()))
        text = _ALL.format(all=count, since=since)
        severity = Severity.INFO if _trains_something_else(run) else self.severity
        return self._finding(run, text, {}, known, severity)

    def _held(self, run: Run, table: Table) -> Bools:
        """bool[C]: parameters that an optimizer ever held."""
        ever = {
            each.column: bool((each.values > 0).any()) for each in columns(run, q.PARAMETER_HELD)
        }
        return np.array([ever.get(name, False) for name in table.columns], bool)

    def _few(self, run: Run, table: Table, free: Bools, known: Bools) -> Iterator[Finding]:
        elements = sizes(run, table.columns)
        part = float(np.nansum(elements[free]) / max(float(np.nansum(elements[known])), 1.0))
        if 0 < part < self.min_share:
            words = {"count": str(int(free.sum())), "all": str(int(known.sum()))}
            words["percent"] = short_number(100 * part)
            yield self._finding(run, _FEW, words, free, Severity.INFO)

    def _finding(
        self,
        run: Run,
        text: Text,
        words: dict[str, str],
        about: Bools,
        severity: Severity | None = None,
    ) -> Finding:
        table = run[q.PARAMETER_TRAINABLE]
        names = [name for name, ok in zip(table.columns, about, strict=True) if ok]
        message = text.format(names=listed(compact(names, table.columns)), **words)
        last = int(table.steps[-1])
        free: Floats = table.values[-1]
        observed = float((free > 0).sum())
        evidence = Evidence(q.PARAMETER_TRAINABLE.name, names[0], last, last, observed, 1.0)
        optimizer = run.facts.get("optimizer", "")
        advice = _ADVICE.format(optimizer=optimizer if optimizer.isidentifier() else "AdamW")
        numbers = {"trainable": observed, "parameters": len(table.columns)}
        severe = self.severity if severity is None else severity
        return Finding(self.code, severe, "", (evidence,), message, advice, numbers)


def _trains_something_else(run: Run) -> bool:
    """Whether every tensor that the optimizers hold lies outside the model."""
    foreign = [each.values[-1] for each in columns(run, q.FOREIGN_PARAMETERS) if len(each.values)]
    held = [each.values[-1] for each in columns(run, q.HELD_PARAMETERS) if len(each.values)]
    return bool(foreign) and sum(foreign) >= sum(held) > 0
