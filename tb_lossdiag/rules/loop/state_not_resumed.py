"""LD619 state-not-resumed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import columns, value_in_force
from tb_lossdiag.analysis.curve import Curve, curve_of
from tb_lossdiag.analysis.levels import noise
from tb_lossdiag.analysis.rates import largest_rate
from tb_lossdiag.diagnosis.rule import Evidence, Finding, NotEnough, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "The run was resumed at step {step} with its weights and without its optimizer's state: the loss went on ({before} before, {after} after, {start} at the start), and the averages of {optimizer} began with nothing."
)
_ADVICE = Text("""Save and load the optimizer with the model, and the scheduler (and a GradScaler) as well:

```python
saved = dict(model=model.state_dict(), optimizer=optimizer.state_dict(), step=step)
model.load_state_dict(saved["model"])
optimizer.load_state_dict(saved["optimizer"])  # after the optimizer is made, before its first step
```

- Transformers: `trainer.train(resume_from_checkpoint=…)` says nothing where `optimizer.pt` is missing, as it is with `save_only_model=True`.
- Lightning: `trainer.fit(…, ckpt_path=…)` loads all of it, `load_from_checkpoint` the weights alone.
- If a new phase is meant to begin here, record it in a folder of its own.""")


@dataclass(frozen=True)
class StateNotResumed:
    """A run was resumed with its weights, but without the state of its optimizer.

    Why it matters: Adam scales each parameter's step by an average over about a thousand squared gradients, momentum sums up ten gradients. Thrown
    away they begin anew, and the first steps after the restart are the large, badly scaled ones of a training's beginning: the loss jumps, or
    some of what was learned is lost and learned again.

    How it decides: another writer took up the run, the watched optimizer had no state when its first step began and has one after it, though the
    run had been trained before with one of this name. The weights were taken along: the median loss of the `min_after` records after it lies
    below the start by `max_lost` or more of what that of the `min_before` records before does, which is more than `min_noise` times the noise.
    An information where the learning rate goes on neither from what it was nor from what the run began with (within `near`): another phase, on purpose.

    What to try first: `optimizer.load_state_dict`.

    Guards against: another training in the same folder, whose loss begins anew; optimizers without a state; a new optimizer within a process (LD614);
    runs that had learned nothing yet.

    References: Kingma and Ba 2015, section 3 (what the averages hold); PyTorch, "Saving and loading a general checkpoint"; Lightning-AI/pytorch-lightning issue 2613.
    """

    code: ClassVar[str] = "LD619"
    name: ClassVar[str] = "state-not-resumed"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("The optimizer was resumed without its state")
    reads: ClassVar[tuple[Quantity, ...]] = (q.LOSS,)
    may_read: ClassVar[tuple[Quantity, ...]] = (q.STATE_TAKEN_UP, q.STEPS, q.LEARNING_RATE)
    explains: ClassVar[tuple[str, ...]] = ("LD103", "LD113", "LD203", "LD613")

    #: records of the loss before; fewer have no level
    min_before: int = 8
    #: records of the loss after; the first one is still of the old weights
    min_after: int = 3
    #: share of what was learned, 1; who loses half of it has other weights
    max_lost: float = 0.5
    #: times the noise from record to record that the loss had fallen
    min_noise: float = 4.0
    #: times; a schedule moves its rate little from one step to the next
    near: float = 1.5
    #: steps between the first record of the session and what is known of its optimizer, for records every few steps
    max_late: int = 50

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding per watched optimizer, of the first restart that lost its state."""
        curve, judged = curve_of(run, q.LOSS), False
        for name, steps, taken_up in columns(run, q.STATE_TAKEN_UP):
            for step, state in zip(steps.tolist(), taken_up.tolist(), strict=True):
                begins = self._restart(run, step)
                if begins is None:
                    continue
                judged = True
                levels = self._levels(curve, begins)
                if not state and levels is not None and self._trained(run, begins, name):
                    yield self._finding(run, curve, (name, begins), levels)
                    break
        if not judged:
            raise NotEnough(Text("a run that was resumed by another process"))

    def _restart(self, run: Run, step: int) -> int | None:
        """The restart that began the session of this step."""
        begins = [r.step for r in run.restarts if r.kind == "resumed" and r.step <= step]
        return max(begins) if begins and step - max(begins) <= self.max_late else None

    def _levels(self, curve: Curve, begins: int) -> tuple[float, float] | None:
        """The loss before and after, where it went on."""
        first = int(np.searchsorted(curve.steps, begins))
        past, rest = curve.values[max(0, first - 32) : first], curve.values[first:]
        if len(past) < self.min_before or len(rest) < self.min_after:
            return None
        before, after = float(np.median(past)), float(np.median(rest[: self.min_after]))
        fallen = curve.start - before
        went_on = fallen > self.min_noise * noise(past) and curve.start - after >= (
            fallen * (1 - self.max_lost)
        )
        return (before, after) if went_on else None

    def _trained(self, run: Run, begins: int, name: str) -> bool:
        """Whether the watch of this name made steps before."""
        return q.STEPS in run and np.isfinite(value_in_force(run, q.STEPS, begins - 1, name))

    def _severity(self, run: Run, begins: int) -> Severity:
        """An information where another rate says that another phase was meant."""
        if q.LEARNING_RATE not in run:
            return self.severity
        steps, rates = largest_rate(run)
        at = int(np.searchsorted(steps, begins))
        if not 0 < at < len(rates):
            return self.severity
        now, low, high = rates[at], 1 / self.near, self.near
        goes_on = any(low * r <= now <= high * r for r in (rates[at - 1], rates[0]))
        return self.severity if goes_on else Severity.INFO

    def _finding(
        self, run: Run, curve: Curve, found: tuple[str, int], levels: tuple[float, float]
    ) -> Finding:
        (name, begins), (before, after) = found, levels
        message = _MESSAGE.format(
            step=str(begins),
            before=short_number(before),
            after=short_number(after),
            start=short_number(curve.start),
            optimizer=f"`{run.facts.get('optimizer', 'optimizer')}`",
        )
        evidence = Evidence(q.STATE_TAKEN_UP.name, name, begins, begins, 0.0, 1.0)
        numbers = {"before": before, "after": after}
        severity = self._severity(run, begins)
        return Finding(self.code, severity, name, (evidence,), message, _ADVICE, numbers)
