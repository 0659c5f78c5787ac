"""LD304 clip-poison."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis import non_finite
from tb_lossdiag.analysis.columns import columns, loss_broke_at
from tb_lossdiag.diagnosis.judged import with_judged
from tb_lossdiag.diagnosis.rule import Evidence, Finding, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "{count} clips met a norm that was NaN or infinite, first at step {first}{spread}; {after}."
)
_SPREAD = Text(", when only {broken} of {all} gradients were broken")
_BROKEN = Text("the weights or the loss were broken from then on")
_SURVIVED = Text("the training went on with finite values")
_ADVICE = Text("""`clip_grad_norm_` multiplies every gradient by max_norm / norm: an infinite norm turns all finite ones into 0 and the infinite ones
into NaN, a NaN norm turns everything into NaN. Skip such a step instead:

```python
norm = writer.clip_grad_norm_(model.parameters(), max_norm=1.0)
if torch.isfinite(norm):
    optimizer.step()
optimizer.zero_grad()
```

While you look for the origin (LD206), `error_if_nonfinite=True` stops at the first one.""")


_JUDGED = Text("clips so far whose norm was not finite")


@dataclass(frozen=True)
class ClipPoison:
    """A clip spread a broken gradient over all parameters.

    Why it matters: one Inf in one layer would cost one layer; multiplied by max_norm / Inf it costs the whole model.

    How it decides: `min_clips` clips or more had a norm that was NaN or infinite, before the loss itself was (or while some
    gradients were still whole). An error if the loss or a weight is broken afterwards; if not, an information: the step may have
    been skipped. Unit: clips.

    What to try first: skip the step when the norm isn't finite.

    Guards against: a NaN loss, which breaks all gradients by itself (LD101); overflows that a GradScaler skipped (as many skipped
    steps as broken norms, but for `max_unexplained`).

    References: PyTorch, `torch.nn.utils.clip_grad_norm_`, argument `error_if_nonfinite`.
    """

    code: ClassVar[str] = "LD304"
    name: ClassVar[str] = "clip-poison"
    severity: ClassVar[Severity] = Severity.ERROR
    title: ClassVar[Text] = Text("A clip spread NaN or Inf")
    reads: ClassVar[tuple[Quantity, ...]] = (q.CLIP_NONFINITE,)
    may_read: ClassVar[tuple[Quantity, ...]] = (
        q.LOSS_NONFINITE,
        q.GRADIENT_NONFINITE,
        q.NONFINITE_STEPS,
        q.PARAMETER_NORM,
        q.AMP_SKIPPED,
    )
    explains: ClassVar[tuple[str, ...]] = ("LD101", "LD802")

    #: clips; one is enough
    min_clips: int = 1
    #: clips; with a GradScaler the newest overflow may not be counted as skipped yet
    max_unexplained: int = 1

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding per clip call that met a broken norm first."""
        for column, steps, counts in columns(run, q.CLIP_NONFINITE):
            rows = np.flatnonzero(counts > 0)
            if counts.sum() < self.min_clips or self._skipped(run, float(counts.sum())):
                continue
            ends = int(steps[rows[0]]), int(steps[rows[-1]])
            broken = _broken_gradients(run, ends[0])
            first = _exact(run, ends[0])
            if loss_broke_at(run) > first or (broken and broken[0] < broken[1]):
                seen = float(counts.sum()), first, broken
                yield self._finding(run, column, ends, seen)

    def _skipped(self, run: Run, clips: float) -> bool:
        """Whether a GradScaler skipped about as many steps."""
        skipped = sum(float(seen.values.sum()) for seen in columns(run, q.AMP_SKIPPED))
        return q.AMP_SKIPPED in run and clips - skipped <= self.max_unexplained

    def _finding(
        self,
        run: Run,
        column: str,
        ends: tuple[int, int],
        seen: tuple[float, int, tuple[int, int] | None],
    ) -> Finding:
        clips, first, broken = seen
        damaged = _damaged(run, ends[0])
        after = _BROKEN if damaged else _SURVIVED
        spread = Text("")
        if broken and 0 < broken[0] < broken[1]:
            spread = _SPREAD.format(broken=str(broken[0]), all=str(broken[1]))
        words = {"count": short_number(clips), "first": str(first)}
        message = _MESSAGE.format(spread=spread, after=after, **words)
        table = run[q.CLIP_NONFINITE]
        counts = np.cumsum(np.nan_to_num(table.column(column).astype(np.float64)))
        piece = Evidence(q.CLIP_NONFINITE.name, column, *ends, clips, self.min_clips)
        evidence = with_judged(piece, _JUDGED, table.steps, counts)
        severity = self.severity if damaged else Severity.INFO
        return Finding(self.code, severity, column, (evidence,), message, _ADVICE, {"clips": clips})


def _exact(run: Run, record: int) -> int:
    """The step within this record at which a gradient was broken first; the record's own where nobody knows."""
    found = non_finite.first_gradient(run) if q.GRADIENT_NONFINITE in run else None
    earlier = run[q.CLIP_NONFINITE].steps
    before = int(earlier[earlier < record].max(initial=-1))
    return found.step if found is not None and before < found.step < record else record


def _broken_gradients(run: Run, step: int) -> tuple[int, int] | None:
    """Parameters with a broken gradient at this step, and with any; None if not recorded."""
    if q.GRADIENT_NONFINITE not in run:
        return None
    row = run[q.GRADIENT_NONFINITE].at(np.array([step]))[0]
    known = row[~np.isnan(row)]
    return (int((known > 0).sum()), len(known)) if (known > 0).any() else None


def _damaged(run: Run, step: int) -> bool:
    """Whether the loss or a weight is no longer finite after this step."""
    if np.isfinite(loss_broke_at(run)):
        return True
    if q.PARAMETER_NORM not in run:
        return False
    norms = run[q.PARAMETER_NORM]
    earlier, later = norms.values[norms.steps <= step], norms.values[norms.steps > step]
    if not len(earlier) or not len(later):
        return False
    return bool((np.isfinite(earlier[-1]) & ~np.isfinite(later[-1])).any())
