"""LD603 parameters-not-in-optimizer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import columns
from tb_lossdiag.analysis.parameters import compact, listed
from tb_lossdiag.diagnosis.rule import Evidence, Finding, NotEnough, Severity, Text
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "{count} of {all} parameters have gradients in {records} records, but no optimizer holds them: {names}."
)
_ADVICE = Text("""Give them to the optimizer:

```python
optimizer = torch.optim.{optimizer}(model.parameters(), lr=lr)  # after the model is complete and on its device
```

- A module that was replaced or added after the optimizer was made needs `optimizer.add_param_group(dict(params=module.parameters()))`.
- An optimizer made from another copy of the model trains that copy.
- If {names} should stay as they are, call `requires_grad_(False)` on them: it saves their gradients.""")


@dataclass(frozen=True)
class ParametersNotInOptimizer:
    """Parameters get gradients, but no optimizer updates them.

    Why it matters: they stay as initialised although everything looks as if they were trained.

    How it decides: no optimizer given to the writer has ever held the parameter, and it had a gradient in at least `min_records`
    records. An error if no optimizer holds any parameter of the model, else a warning. Unit: records.

    What to try first: make the optimizer from the finished model's `parameters()`, or add a parameter group.

    Guards against: parameters that an optimizer holds at any time (staged unfreezing); those whose norm changes by more than
    `max_drift`, as an optimizer unknown to the writer moves them; frozen ones, which have no gradient, or only one left over from an earlier
    stage; runs in which no optimizer is
    known (not evaluated). All parameters are one finding, whole modules by one name.

    References: PyTorch, `torch.optim`, "Constructing it"; `Optimizer.add_param_group`.
    """

    code: ClassVar[str] = "LD603"
    name: ClassVar[str] = "parameters-not-in-optimizer"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("Parameters that no optimizer holds")
    reads: ClassVar[tuple[Quantity, ...]] = (q.GRADIENT_NORM, q.PARAMETER_HELD)
    may_read: ClassVar[tuple[Quantity, ...]] = (q.PARAMETER_NORM, q.PARAMETER_TRAINABLE)
    explains: ClassVar[tuple[str, ...]] = ("LD104", "LD523", "LD605")

    #: records with a gradient; by then every optimizer of a loop has been seen
    min_records: int = 5
    #: relative change of the parameter's norm over the run, 1; float32 rounding is 1e-7
    max_drift: float = 1e-6

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield one finding that names all parameters nobody holds."""
        gradient, held = run[q.GRADIENT_NORM], run[q.PARAMETER_HELD]
        flags = held.values[np.isfinite(held.values).any(axis=1)]
        if not len(flags) or len(gradient) < self.min_records:
            least = self.min_records
            raise NotEnough(
                Text(
                    "at least {least} records of gradients, and an optimizer given with optimizer="
                ).format(least=least)
            )
        ever = dict(
            zip(held.columns, np.nanmax(np.nan_to_num(flags, nan=-1.0), axis=0), strict=True)
        )
        has = (~np.isnan(gradient.values)).sum(axis=0) >= self.min_records
        frozen, moved = _frozen(run), self._moved(run)
        trained = [n for n, ok in zip(gradient.columns, has, strict=True) if ok and n not in frozen]
        names = [name for name in trained if ever.get(name, -1.0) == 0 and name not in moved]
        if names:
            yield self._finding(run, names, trained, held_any=max(ever.values()) > 0)

    def _moved(self, run: Run) -> set[str]:
        """Parameters whose norm changes: something updates them."""
        if q.PARAMETER_NORM not in run:
            return set()
        table = run[q.PARAMETER_NORM]
        values = np.where(np.isfinite(table.values), table.values, np.nan)
        low, high = (
            f.reduce(values, axis=0, initial=np.nan).astype(np.float64) for f in (np.fmin, np.fmax)
        )
        moved = np.flatnonzero(high - low > self.max_drift * high)
        return {table.columns[place] for place in moved}

    def _finding(
        self, run: Run, names: list[str], trained: list[str], *, held_any: bool
    ) -> Finding:
        gradient = run[q.GRADIENT_NORM]
        patterns = compact(names, trained)
        rows = np.flatnonzero(
            ~np.isnan(np.stack([gradient.column(name) for name in names])).all(axis=0)
        )
        ends = int(gradient.steps[rows[0]]), int(gradient.steps[rows[-1]])
        message = _MESSAGE.format(
            count=str(len(names)),
            all=str(len(trained)),
            records=str(len(rows)),
            names=listed(patterns),
        )
        name = run.facts.get("optimizer", "")
        advice = _ADVICE.format(
            optimizer=name if name.isidentifier() else "AdamW", names=listed(patterns, 2)
        )
        # One piece per module: its first parameter stands for it.
        starts = [pattern.removesuffix("*") for pattern in patterns]
        shown = [next(n for n in names if n.startswith(start)) for start in starts]
        evidence = tuple(Evidence(q.GRADIENT_NORM.name, n, *ends) for n in dict.fromkeys(shown))
        severity = self.severity if held_any else Severity.ERROR
        subject = patterns[0] if len(patterns) == 1 else ""
        return Finding(
            self.code,
            severity,
            subject,
            evidence,
            message,
            advice,
            {"parameters": len(names), "trainable": len(trained)},
        )


def _frozen(run: Run) -> set[str]:
    """Parameters that were never trainable; a gradient they have is an old one."""
    seen = columns(run, q.PARAMETER_TRAINABLE)
    return {each.column for each in seen if len(each.values) and not each.values.any()}
