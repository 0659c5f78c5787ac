"""LD804 input-starved."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import Sighting, at_steps, columns, too_few
from tb_lossdiag.analysis.reinforcement import is_reinforcement
from tb_lossdiag.diagnosis.judged import with_judged
from tb_lossdiag.diagnosis.rule import Evidence, Finding, NotEnough, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "Between two steps, {percent}% of the time ({wait} s of {step} s, median of {records} check-ups) passes before the forward pass begins: the model waits, for data or for what else the loop does there."
)
_JUDGED = Text("wait for data, as a share of the typical step")
_ADVICE = Text("""Load the next batches while the model works on this one:

```python
loader = torch.utils.data.DataLoader(
    dataset, batch_size=64, num_workers=4, persistent_workers=True, prefetch_factor=4, pin_memory=True
)
batch = batch.to(device, non_blocking=True)
```

- Raise `num_workers` until the wait is gone or the CPU is full; decode and resize once, not in every epoch.
- The same time counts what else the loop does there: evaluation, saving, printing. Do it less often.
- Without the wait a step would take {busy} s: at best {gain} times as fast.""")


@dataclass(frozen=True)
class InputStarved:
    """The model waits for its data.

    Why it matters: the accelerator is paid for and idle.

    How it decides: median over the check-ups after the first `skipped` steps of the time from the end of a step to the begin of the next forward
    pass, over the time of a step: the ordinary one where it was recorded, that of the check-up where not or where it is shorter. Above `max_share` it is a
    warning, above `min_share` an information, if the wait is at least `min_wait`. Units: 1, s.

    What to try first: more loader workers, with prefetching.

    Guards against: the start of the workers and their empty queue (first steps); loops whose steps take milliseconds; a single slow step (median);
    waits of the check-ups that are longer than an ordinary step (`max_wait`), as on a machine that others keep busy (time in the queue for a processor is no wait);
    what the loop works between steps, a second network or an average of weights, where the model computes on the same processor, which is not idle then;
    agents, which act in their environment between steps; the turns of other watched models (only the one that waits least is judged). On an
    accelerator part of the wait may overlap with its work, hence the high bound.

    References: PyTorch, `torch.utils.data.DataLoader`; "Performance tuning guide"; Mohan et al. 2021 (arXiv 2007.06775).
    """

    code: ClassVar[str] = "LD804"
    name: ClassVar[str] = "input-starved"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("The model waits for data")
    reads: ClassVar[tuple[Quantity, ...]] = (q.WAIT_SECONDS,)
    may_read: ClassVar[tuple[Quantity, ...]] = (
        q.STEP_SECONDS,
        q.CHECK_SECONDS,
        q.LOSS_TERM,
        q.EXTRA,
        q.CALL_TARGET_MEAN,
        q.CALL_TARGET_STD,
    )
    explains: ClassVar[tuple[str, ...]] = ()

    #: share of the step's time, 1; even if half of the wait overlapped, a quarter would be lost
    max_share: float = 0.5
    #: share of the step's time, 1; a third is worth knowing
    min_share: float = 0.3
    #: s; shorter waits aren't worth workers, which cost about that per batch
    min_wait: float = 0.01
    #: over a step's ordinary time, 1; a wait that is longer than the step it is part of was not an ordinary one
    max_wait: float = 1.2
    #: steps at the beginning, in which workers start and their queue fills
    skipped: int = 10
    #: check-ups after them; fewer give no median
    min_check_ups: int = 3

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding if the model waits, of several the one that waits least."""
        if is_reinforcement(run):
            raise NotEnough(Text("waits for data: between its steps an agent acts"))
        seen = []
        for column, steps, waits in columns(run, q.WAIT_SECONDS):
            late = steps >= (steps[0] if len(steps) else 0) + self.skipped
            if late.sum() >= self.min_check_ups:
                seen.append(Sighting(column, steps[late], waits[late]))
        # Of several models each waits for the turns of the others, too.
        yield from self._judge(run, min(seen, key=_typical)) if seen else ()
        if not seen:
            raise too_few(
                self.min_check_ups,
                Text("check-ups after the first {skipped} steps").format(skipped=self.skipped),
            )

    def _judge(self, run: Run, seen: Sighting) -> Iterator[Finding]:
        column, steps = seen.column, seen.steps
        ordinary = [s.values for s in columns(run, q.STEP_SECONDS) if s.column == column]
        check = at_steps(run, q.CHECK_SECONDS, steps, column)
        times = ordinary[0] if ordinary and len(ordinary[0]) else check[np.isfinite(check)]
        if not len(times):
            return
        wait = _typical(seen)
        # A step that others' work held up took longer than its check-up, which knows how long it was held up.
        step = min(
            float(np.median(part)) for part in (times, check[np.isfinite(check)]) if len(part)
        )
        if wait > self.max_wait * step:
            return
        step = max(step, wait)
        share = wait / step if step > 0 else 0.0
        if wait >= self.min_wait and share > self.min_share:
            yield self._finding(seen, wait, step)

    def _finding(self, seen: Sighting, wait: float, step: float) -> Finding:
        share, busy = wait / step, max(step - wait, 1e-3)
        ends = int(seen.steps[0]), int(seen.steps[-1])
        message = _MESSAGE.format(
            percent=f"{100 * share:.0f}",
            wait=short_number(wait),
            step=short_number(step),
            records=str(len(seen.steps)),
        )
        piece = Evidence(q.WAIT_SECONDS.name, seen.column, *ends, share, self.min_share)
        evidence = with_judged(piece, _JUDGED, seen.steps, seen.values / step)
        severity = self.severity if share > self.max_share else Severity.INFO
        advice = _ADVICE.format(
            busy=short_number(busy), gain=short_number(float(f"{step / busy:.2g}"))
        )
        numbers = {"share": share, "wait": wait, "step": step}
        return Finding(self.code, severity, seen.column, (evidence,), message, advice, numbers)


def _typical(seen: Sighting) -> float:
    return float(np.median(seen.values))
