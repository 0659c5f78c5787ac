"""LD305 idle-clipping."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.clips import ClipSeries, ledger
from tb_lossdiag.analysis.columns import too_few
from tb_lossdiag.analysis.weighted import quantile
from tb_lossdiag.diagnosis import settings
from tb_lossdiag.diagnosis.rule import Evidence, Finding, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "None of {calls} clips changed a gradient: max_norm is {max_norm}, the 99th percentile of the global norm {p99}, its largest value {highest}."
)
_ADVICE = Text("""As a fuse against a catastrophe the bound may stay. To stop ordinary outliers too, bring it near your own norms:

```python
writer.clip_grad_norm_(model.parameters(), max_norm={bound})  # twice the 99th percentile
```""")


@dataclass(frozen=True)
class IdleClipping:
    """The clip has never done anything, and is far from doing so.

    Why it matters: the code looks protected, but an outlier ten times the usual would pass untouched.

    How it decides: no clip of at least `min_clips` changed a gradient, `max_norm` is `min_distance` times the 99th percentile of the
    global norm or more, and above its largest value. Units: clips, 1.

    What to try first: a bound of about twice the 99th percentile.

    Guards against: short runs (not evaluated); clips that only measure (`max_norm=inf`); it is only an information.

    References: Pascanu, Mikolov and Bengio 2013 (arXiv 1211.5063), who choose the bound from observed norms.
    """

    code: ClassVar[str] = "LD305"
    name: ClassVar[str] = "idle-clipping"
    severity: ClassVar[Severity] = Severity.INFO
    title: ClassVar[Text] = Text("Clipping never acts")
    reads: ClassVar[tuple[Quantity, ...]] = (q.CLIP_GLOBAL_NORM, q.CLIP_MAX_NORM)
    may_read: ClassVar[tuple[Quantity, ...]] = (q.CLIP_CALLS, q.CLIP_BOUND)
    explains: ClassVar[tuple[str, ...]] = ()
    setting: ClassVar[str] = settings.CLIP

    #: clips; an outlier of one step in a hundred would have shown several times
    min_clips: int = 500
    #: max_norm over the 99th percentile of the norm, 1; LD203 calls ten times the usual a spike
    min_distance: float = 10.0

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding per clip call that never acted."""
        every = [clips for clips in ledger(run) if clips.calls.sum() >= self.min_clips]
        if not every:
            raise too_few(self.min_clips, Text("clips with a finite norm"))
        for clips in every:
            highest = run.highest(q.CLIP_GLOBAL_NORM).column(clips.column)
            largest = float(highest[np.isfinite(highest)].max())
            if not clips.bound.any():
                yield from self._judge(clips, largest)

    def _judge(self, clips: ClipSeries, largest: float) -> Iterator[Finding]:
        p99 = quantile(clips.norms, clips.calls, 0.99)
        bound = float(clips.bounds.min())
        if not np.isfinite(bound) or p99 <= 0 or bound < max(self.min_distance * p99, largest):
            return
        numbers = {
            "calls": float(clips.calls.sum()),
            "max_norm": bound,
            "p99": p99,
            "highest": largest,
        }
        words = {key: short_number(value) for key, value in numbers.items()}
        ends = int(clips.steps[0]), int(clips.steps[-1])
        evidence = Evidence(
            q.CLIP_GLOBAL_NORM.name, clips.column, *ends, p99, bound / self.min_distance
        )
        advice = _ADVICE.format(bound=short_number(2 * p99))
        message = _MESSAGE.format(**words)
        yield Finding(self.code, self.severity, clips.column, (evidence,), message, advice, numbers)
