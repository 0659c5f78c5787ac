"""LD302 clip-after-step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import (
    Sighting,
    at_steps,
    columns,
    counts_at,
    not_recorded,
    too_few,
)
from tb_lossdiag.diagnosis.rule import Evidence, Finding, Severity, Text, short_number
from tb_lossdiag.diagnosis.ways import said
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.records import Doubles
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "{count} of {all} clips came after `optimizer.step()` had used the gradients, first at step {first}."
)
_SEEN = Text(
    "In {count} of {all} check-ups with a clip, the gradients were scaled down (to {factor} times at the least) after `optimizer.step()` had used them, first at step {first}."
)
_IDLE = Text(
    "In {count} of {all} check-ups with a clip, it came after `optimizer.step()` had used the gradients, first at step {first}. They were below its bound so far."
)
_ADVICE = Text("""Clip between `backward()` and `step()`; as it stands the clip changes nothing but gradients that are thrown away.

```python
optimizer.zero_grad()
loss.backward()
writer.clip_grad_norm_(model.parameters(), max_norm=1.0)
optimizer.step()
```

With a GradScaler, call `scaler.unscale_(optimizer)` before the clip and `scaler.step(optimizer)` after it. The training then runs
clipped for the first time: expect smaller steps, and look at LD301 again.""")


@dataclass(frozen=True)
class ClipAfterStep:
    """The gradients are clipped after the optimizer has used them.

    Why it matters: the clip protects nothing. The run is unclipped although the code says otherwise.

    How it decides: the clipped gradients are those the last `optimizer.step()` has already used, unchanged since. It fires if
    that holds for more than `min_share` of the clips whose order was seen, and at least `min_records` of them. For clips that were
    not recorded, `min_check_ups` check-ups must show gradients scaled after the step, even by 1, and thrown away afterwards. Unit: share of clips.

    What to try first: move the clip between `backward()` and `step()`.

    Guards against: clips whose order could not be seen (not evaluated); a single clip out of order, as at the end of an
    accumulation; gradients that are scaled after the step on purpose, to go into the next one.

    References: PyTorch, Automatic Mixed Precision examples, "Gradient clipping"; `torch.nn.utils.clip_grad_norm_`.
    """

    code: ClassVar[str] = "LD302"
    name: ClassVar[str] = "clip-after-step"
    severity: ClassVar[Severity] = Severity.ERROR
    title: ClassVar[Text] = Text("Gradients are clipped too late")
    reads: ClassVar[tuple[Quantity, ...]] = ()
    may_read: ClassVar[tuple[Quantity, ...]] = (
        q.CLIP_AFTER_STEP,
        q.CLIP_CALLS,
        q.LATE_FACTOR,
        q.LATE_CLIPS,
        q.CLIPS_SEEN,
        q.ZERO_GRADS,
    )
    explains: ClassVar[tuple[str, ...]] = (
        "LD101", "LD102", "LD103", "LD104", "LD202", "LD301", "LD523", "LD601", "LD701", "LD704",
    )  # fmt: skip

    #: share of the clips whose order was seen, 1; the order is the same in every step of a loop
    min_share: float = 0.5
    #: records; one or two can be a leftover of the loop's beginning
    min_records: int = 3
    #: check-ups, which are rare and see each the whole loop
    min_check_ups: int = 2
    #: factor that a clip leaves, 1; above it is rounding
    max_factor: float = 0.999

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding per clip call that comes too late; the check-up speaks where no clip's order was recorded."""
        if q.CLIP_AFTER_STEP not in run and q.LATE_FACTOR not in run:
            raise not_recorded(q.CLIP_AFTER_STEP, q.LATE_FACTOR)
        recorded = [s for s in columns(run, q.CLIP_AFTER_STEP) if len(s.steps) >= self.min_records]
        checked = [s for s in columns(run, q.LATE_FACTOR) if len(s.steps) >= self.min_check_ups]
        if not recorded and not checked:
            raise too_few(
                self.min_records,
                Text("clips whose order relative to optimizer.step() was seen: {how}").format(
                    how=said(q.CLIP_AFTER_STEP.how)
                ),
            )
        for order in recorded:
            yield from self._recorded(run, order)
        for factor in checked if not recorded else ():
            yield from self._checked(run, factor)

    def _recorded(self, run: Run, order: Sighting) -> Iterator[Finding]:
        calls = counts_at(run, q.CLIP_CALLS, order.steps, order.column, 1.0)
        late = np.clip(order.values, 0.0, 1.0)
        if (late > 0).sum() >= self.min_records and self._most(late * calls, calls):
            yield self._finding(q.CLIP_AFTER_STEP, order, late * calls, calls, _MESSAGE)

    def _checked(self, run: Run, factor: Sighting) -> Iterator[Finding]:
        kept = at_steps(run, q.ZERO_GRADS, factor.steps, factor.column, 1.0) == 0
        smaller = factor.values < self.max_factor
        came = at_steps(run, q.LATE_CLIPS, factor.steps, factor.column, 0.0) == 1
        late = ((smaller | came) & ~kept).astype(float)
        early = at_steps(run, q.CLIPS_SEEN, factor.steps, factor.column, 0.0) >= 1
        clipped = np.maximum(late, early)
        if late.sum() >= self.min_check_ups and self._most(late, clipped):
            text = _SEEN if (smaller & ~kept).any() else _IDLE
            yield self._finding(q.LATE_FACTOR, factor, late, clipped, text)

    def _most(self, late: Doubles, clips: Doubles) -> bool:
        return bool(late.sum() > self.min_share * clips.sum())

    def _finding(
        self, quantity: Quantity, seen: Sighting, late: Doubles, clips: Doubles, text: Text
    ) -> Finding:
        rows = np.flatnonzero(late > 0)
        ends = int(seen.steps[rows[0]]), int(seen.steps[rows[-1]])
        numbers = {"late": float(late.sum()), "clips": float(clips.sum())}
        message = text.format(
            count=short_number(round(numbers["late"])),
            all=short_number(round(numbers["clips"])),
            first=str(ends[0]),
            factor=short_number(float(seen.values[rows].min())),
        )
        share = numbers["late"] / numbers["clips"]
        evidence = Evidence(quantity.name, seen.column, *ends, share, self.min_share)
        return Finding(
            self.code, self.severity, seen.column, (evidence,), message, _ADVICE, numbers
        )
