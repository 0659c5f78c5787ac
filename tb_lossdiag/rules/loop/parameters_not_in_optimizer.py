"""LD603 parameters-not-in-optimizer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import columns
from tb_lossdiag.analysis.frozen_head import frozen_head
from tb_lossdiag.analysis.parameters import compact, listed
from tb_lossdiag.diagnosis.rule import Evidence, Finding, NotEnough, Severity, Text, short_number
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

_BESIDE = Text(
    "In each of the last {checks} check-ups up to step {step}, gradients arrive at {count} parameter tensors of `{kinds}`, which is called beside the model on what it made; no optimizer holds them, and they are what they were at first: as drawn at random."
)
_BESIDE_ADVICE = Text("""A loss with weights of its own (proxies, centres, the classes of ArcFace) is trained like a model. Give them to an optimizer:

```python
optimizer = torch.optim.{optimizer}([*model.parameters(), *criterion.parameters()], lr=lr)
```

They often want a higher rate, in a group of their own. If they are to stay as drawn, say so: `criterion.requires_grad_(False)`.""")

_HEAD = Text(
    "`{name}` scores the {classes} classes, is frozen and has no adapter: adapters alone are trained below it. At the start `{call}` was at {first}% of what the best constant answer costs, as with a head that nobody fitted to these classes, and in the last {checks} check-ups up to step {step} it is at {last}% or more."
)
_HEAD_ADVICE = Text("""A new head is trained with the adapters; `get_peft_model` freezes all that it was not told of:

```python
config = dict(modules_to_save=["{short}"])  # for `LoraConfig`, beside `task_type`
```

If the head was trained for these classes before, look whether they still have their numbers.""")


@dataclass(frozen=True)
class ParametersNotInOptimizer:
    """Parameters get gradients, but no optimizer updates them.

    Why it matters: they stay as initialised although everything looks as if they were trained.

    How it decides: no optimizer given to the writer has ever held the parameter, and it had a gradient in at least `min_records`
    records. An error if no optimizer holds any parameter of the model that is trainable, else a warning. Or a module of one layer is called beside the model on
    what it made, with matrices as drawn, and its parameters have a gradient and are what they were in each of the last `min_checks` check-ups,
    which lie `min_steps` steps apart or more. Or adapters are trained below a frozen layer without one that makes the scores of the only loss of classes, and
    that loss is `min_unfitted` of the best constant answer's in the first `min_first` check-ups (their median) and `min_left` in each of as many at the end. Unit: records.

    What to try first: make the optimizer from the finished model's `parameters()`, or add a parameter group.

    Guards against: parameters that an optimizer holds at any time (staged unfreezing); those whose norm changes by more than
    `max_drift`, as an optimizer unknown to the writer moves them; frozen ones, which have no gradient, or only one left over from an earlier
    stage; runs in which no optimizer is
    known (not evaluated); networks beside the model that judge what it made, such as one for features: they have several layers. heads of words, which came with the model; heads that know their classes
    from before, or below which enough is learned. All parameters are one finding, whole modules by one name.

    References: PyTorch, `torch.optim`, "Constructing it"; `Optimizer.add_param_group`.
    """

    code: ClassVar[str] = "LD603"
    name: ClassVar[str] = "parameters-not-in-optimizer"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("Parameters that no optimizer holds")
    reads: ClassVar[tuple[Quantity, ...]] = (q.GRADIENT_NORM, q.PARAMETER_HELD)
    may_read: ClassVar[tuple[Quantity, ...]] = (
        q.PARAMETER_NORM,
        q.PARAMETER_TRAINABLE,
        q.UNHELD,
        q.ADAPTER_SCALE,
        q.MODULE_KIND,
        q.PARAMETER_SIZE,
        q.CALL_VALUE,
        q.CALL_BASELINE,
        q.CALL_OUTPUTS,
        q.CALL_TARGET_INDEX,
    )
    explains: ClassVar[tuple[str, ...]] = ("LD104", "LD205", "LD523", "LD605", "LD610")

    #: records with a gradient; by then every optimizer of a loop has been seen
    min_records: int = 5
    #: relative change of the parameter's norm over the run, 1; float32 rounding is 1e-7
    max_drift: float = 1e-6
    #: check-ups; in one, another optimizer's parameters may not have been stepped yet
    min_checks: int = 4
    #: steps from the first to the last of them; check-ups begin close together, and another optimizer may step rarely
    min_steps: int = 50
    #: loss over that of the best constant answer, 1; a head that knows its classes begins far below
    min_unfitted: float = 0.9
    #: the same at the end; below it, what was learned fits the head, wherever that comes from
    min_left: float = 0.75
    #: check-ups at the start and at the end; adapters begin at nothing
    min_first: int = 3

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield one finding that names all parameters nobody holds, and one for what is called beside the model."""
        yield from self._beside(run)
        yield from self._below_a_frozen_head(run)
        yield from self._held_by_nobody(run)

    def _beside(self, run: Run) -> Iterator[Finding]:
        for column, every, found in columns(run, q.UNHELD):
            steps, counts = every[-self.min_checks :], found[-self.min_checks :]
            long = len(steps) == self.min_checks and np.ptp(steps) >= self.min_steps
            if not long or not np.all(counts > 0):
                continue
            words = {"kinds": run.facts.get("unheld") or "?", "count": str(int(counts[-1]))}
            ends = int(steps[0]), int(steps[-1])
            text = _BESIDE.format(checks=str(len(steps)), step=str(ends[1]), **words)
            advice = _BESIDE_ADVICE.format(optimizer=_optimizer(run))
            evidence = Evidence(q.UNHELD.name, column, *ends, float(counts[-1]), 0.0)
            numbers = {"tensors": float(counts[-1])}
            yield Finding(self.code, self.severity, column, (evidence,), text, advice, numbers)

    def _below_a_frozen_head(self, run: Run) -> Iterator[Finding]:
        found = frozen_head(run)
        if found is None or len(found.share) < 2 * self.min_first:
            return
        steps, early, late = found.call.steps, found.share[: self.min_first], found.share[-self.min_first :]  # fmt: skip
        first, last = float(np.median(early)), float(np.min(late))
        if steps[0] > 1 or steps[-1] < self.min_steps:
            return
        if not (first >= self.min_unfitted and last >= self.min_left):
            return
        words = {
            "name": found.name,
            "call": found.call.name,
            "step": str(int(steps[-1])),
            "checks": str(self.min_first),
        }
        numbers = {"first": first, "last": last, "classes": found.call.typical(q.CALL_OUTPUTS)}
        shares = {each: f"{100 * numbers[each]:.0f}" for each in ("first", "last")}
        message = _HEAD.format(classes=short_number(numbers["classes"]), **shares, **words)
        at_the_end = steps >= steps[-self.min_first]
        evidence = found.call.evidence(
            q.CALL_VALUE, at_the_end, float(found.call.of(q.CALL_VALUE)[-1])
        )
        advice = _HEAD_ADVICE.format(short=found.name.rpartition(".")[2])
        yield Finding(self.code, self.severity, found.name, (evidence,), message, advice, numbers)

    def _held_by_nobody(self, run: Run) -> Iterator[Finding]:
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
            yield self._finding(run, names, trained, held_any=_holds_any(ever, frozen))

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
        advice = _ADVICE.format(optimizer=_optimizer(run), names=listed(patterns, 2))
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


def _optimizer(run: Run) -> str:
    name = run.facts.get("optimizer", "")
    return name if name.isidentifier() else "AdamW"


def _holds_any(ever: dict[str, float], frozen: set[str]) -> bool:
    """Whether an optimizer ever held one that can be trained."""
    return any(value > 0 for name, value in ever.items() if name not in frozen)


def _frozen(run: Run) -> set[str]:
    """Parameters that were never trainable; a gradient they have is an old one."""
    seen = columns(run, q.PARAMETER_TRAINABLE)
    return {each.column for each in seen if len(each.values) and not each.values.any()}
