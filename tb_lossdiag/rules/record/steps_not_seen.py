"""LD904 steps-not-seen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import columns, not_recorded
from tb_lossdiag.analysis.curve import curve_of
from tb_lossdiag.diagnosis.rule import Evidence, Finding, Severity, Text
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.records import Steps
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "The loss was reported {records} times after step {last}, up to step {end}, but the watched optimizer has made no step since: what is said of gradients and updates holds for the first {percent}% of the run."
)
_NEVER = Text(
    "The loss was reported {records} times, from step {first} to {end}, and the watched optimizer has made no step at all: nothing is trained by it."
)
_ANOTHER = Text(
    "The loss was reported {records} times, from step {first} to {end}, and the watched optimizer has made no step at all: the weights change by something else, of which no gradients and updates are recorded."
)
_NEVER_ADVICE = Text("""`optimizer.step()` is not reached, or it is another optimizer's. A scheduler's `step()` changes the learning rate only:

```python
optimizer.zero_grad()
loss = torch.nn.functional.cross_entropy(model(x), y)
loss.backward()
optimizer.step()
scheduler.step()
```

If another optimizer trains the model, watch that one: `writer.watch(model, optimizer)`.""")
_ADVICE = Text("""Another optimizer trains the model now, or none. Watch the one that does; it takes the place of the one before and the record goes on:

```python
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
writer.watch(model, optimizer)
```

If nobody was meant to take over, look whether `optimizer.step()` is still reached.""")


@dataclass(frozen=True)
class StepsNotSeen:
    """The watched optimizer makes no step any more while losses arrive.

    Why it matters: gradients, updates and check-ups end there, and the rest of the training is judged by its loss alone.

    How it decides: after the last step of all watched optimizers at least `min_records` losses of the training are recorded, which reach over
    `min_share` of the run's steps; or an optimizer is watched, so many losses are recorded, and there was no step at all; that is an
    information where the weights change all the same, as where each client of a federation has an optimizer of its own. Unit: records; share of steps.

    What to try first: watch the optimizer that trains now.

    Guards against: the parts of a large batch, of which none makes a step; a GradScaler that skips every step (LD801); losses that are recorded
    once more at the end.

    References: PyTorch, `torch.optim.Optimizer.register_step_post_hook`: a hook belongs to one optimizer.
    """

    code: ClassVar[str] = "LD904"
    name: ClassVar[str] = "steps-not-seen"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("The watched optimizer makes no step any more")
    reads: ClassVar[tuple[Quantity, ...]] = (q.LOSS,)
    may_read: ClassVar[tuple[Quantity, ...]] = (
        q.STEPS, q.AMP_SKIPPED, q.GRADIENT_NORM, q.LEARNING_RATE, q.CHECK_SECONDS,
    )  # fmt: skip
    explains: ClassVar[tuple[str, ...]] = ("LD104", "LD109", "LD523")

    #: records; more parts than that make no batch
    min_records: int = 50
    #: share of the run's steps, 1
    min_share: float = 0.2

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield one finding for the run."""
        loss = curve_of(run, q.LOSS)
        if q.STEPS not in run:
            if not self._watched_in_vain(run):
                raise not_recorded(q.STEPS)
            if len(loss) >= self.min_records:
                yield self._never(run, loss.steps)
            return
        steps = run[q.STEPS].steps
        if not len(steps) or not len(loss):
            return
        last, end, first = int(steps[-1]), int(loss.steps[-1]), int(loss.steps[0])
        late = int((loss.steps > last).sum())
        share = (end - last) / max(end - first, 1)
        skipped = any(
            (at[values > 0] > last).any() for _, at, values in columns(run, q.AMP_SKIPPED)
        )
        if late < self.min_records or share < self.min_share or skipped:
            return
        percent = f"{100 * (1 - share):.0f}"
        message = _MESSAGE.format(records=str(late), last=str(last), end=str(end), percent=percent)
        evidence = Evidence(q.STEPS.name, run[q.STEPS].columns[0], last, end, float(late))
        numbers = {"records": late, "share": float(np.clip(share, 0, 1))}
        yield Finding(self.code, self.severity, "", (evidence,), message, _ADVICE, numbers)

    def _watched_in_vain(self, run: Run) -> bool:
        """Whether an optimizer is known, and nothing was ever taken of it."""
        taken = (q.GRADIENT_NORM, q.LEARNING_RATE, q.AMP_SKIPPED, q.CHECK_SECONDS)
        return "optimizer" in run.facts and not any(each in run for each in taken)

    def _never(self, run: Run, steps: Steps) -> Finding:
        first, end, count = int(steps[0]), int(steps[-1]), len(steps)
        moved = q.MOVED_BY_ANOTHER in run.facts
        text, severity = (_ANOTHER, Severity.INFO) if moved else (_NEVER, self.severity)
        message = text.format(records=str(count), first=str(first), end=str(end))
        evidence = Evidence(q.LOSS.name, "", first, end, float(count))
        numbers = {"records": count, "share": 1.0}
        advice = _ADVICE if moved else _NEVER_ADVICE
        return Finding(self.code, severity, "", (evidence,), message, advice, numbers)
