"""LD308 unrecorded-clipping."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.clips import ClipSeries, inferred
from tb_lossdiag.analysis.columns import columns, too_few
from tb_lossdiag.diagnosis.rule import Evidence, Finding, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "In {count} of {all} check-ups all gradients were scaled by one factor between backward and step, down to a norm of {max_norm}, but no clip was recorded."
)
_ADVICE = Text("""Have the clips recorded, and LD301 to LD307 judge every one of them instead of a few check-ups:

```python
writer.clip_grad_norm_(model.parameters(), max_norm={max_norm})  # same result as torch's own function
```

If a library clips for you and returns the norm, pass it on: `writer.add_diagnostics(model, clip=(total_norm, {max_norm}))`. Where a framework's own setting does it (Trainer's `max_grad_norm`, Lightning's `gradient_clip_val`), nothing is to be done: that setting is the bound, and check-ups see what it does.""")


@dataclass(frozen=True)
class UnrecordedClipping:
    """Something clips the gradients, but no clip was recorded.

    Why it matters: only check-ups see these clips, so how often they act, and whether the bound fits, stays unknown between them.

    How it decides: in at least `min_check_ups` check-ups all gradients changed by one common factor below 1 between backward and step
    (an unscaling left out), and each time their norm came out the same. Unit: check-ups.

    What to try first: `writer.clip_grad_norm_` in place of torch's function, or `clip=`.

    Guards against: gradients divided by a constant (averages over ranks or micro-batches); changes that differ between parameters;
    runs with recorded clips.

    References: PyTorch, `torch.nn.utils.clip_grad_norm_`.
    """

    code: ClassVar[str] = "LD308"
    name: ClassVar[str] = "unrecorded-clipping"
    severity: ClassVar[Severity] = Severity.INFO
    title: ClassVar[Text] = Text("Clips are not recorded")
    reads: ClassVar[tuple[Quantity, ...]] = (q.BACKWARD_NORM, q.STEP_NORM)
    may_read: ClassVar[tuple[Quantity, ...]] = (
        q.CLIP_GLOBAL_NORM,
        q.CLIPS_SEEN,
        q.STEP_RATIO_SPREAD,
        q.UNSCALE_FACTOR,
    )
    explains: ClassVar[tuple[str, ...]] = ()

    #: check-ups with the same norm after the change; two could agree by chance
    min_check_ups: int = 3

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding per watched model whose clips are not recorded."""
        every = [*columns(run, q.BACKWARD_NORM), *columns(run, q.STEP_NORM)]
        if min((len(seen.steps) for seen in every), default=0) < self.min_check_ups:
            raise too_few(self.min_check_ups, Text("check-ups"))
        if q.CLIP_GLOBAL_NORM in run:
            return
        for clips in inferred(run):
            if clips.bound.sum() >= self.min_check_ups:
                yield self._finding(clips)

    def _finding(self, clips: ClipSeries) -> Finding:
        rows = np.flatnonzero(clips.bound)
        ends = int(clips.steps[rows[0]]), int(clips.steps[rows[-1]])
        bound = float(clips.bounds[0])
        message = _MESSAGE.format(
            count=str(len(rows)), all=str(len(clips)), max_norm=short_number(bound)
        )
        evidence = Evidence(q.STEP_NORM.name, clips.column, *ends, bound)
        advice = _ADVICE.format(max_norm=short_number(bound))
        return Finding(
            self.code,
            self.severity,
            clips.column,
            (evidence,),
            message,
            advice,
            {"max_norm": bound, "check_ups": len(rows)},
        )
