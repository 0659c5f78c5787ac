"""LD309 empty-clip."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.clips import ClipSeries, ledger
from tb_lossdiag.analysis.columns import at_steps, columns, in_force, not_recorded, too_few
from tb_lossdiag.analysis.parameters import gradient_norm
from tb_lossdiag.diagnosis.rule import Evidence, Finding, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.records import Doubles
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "{all} found a norm of exactly 0 while the gradients' own norm was {norm} (median): the clip is given nothing, so max_norm = {max_norm} bounds nothing."
)
_ALL = Text("All {clips} clips")
_SEEN = Text(
    "In {checks} check-ups `clip_grad_norm_` was called with no gradient at all, while the gradients' own norm was {norm} (median), and nothing else clipped: the clip bounds nothing."
)
_LATER = Text("The first clip had gradients; all {clips} after it")
_ADVICE = Text("""`model.parameters()` is a generator and gives its parameters once; so does `filter`. Kept in a variable that the optimizer or an earlier clip has used, it is
empty when the clip gets it. Ask for it anew each time:

```python
writer.clip_grad_norm_(model.parameters(), max_norm={max_norm})
```

Or keep a list. The norm is 0 as well where the clip is given another model's parameters, or stands before `backward()` or after `zero_grad()`: its place is between `backward()` and `step()`.""")


@dataclass(frozen=True)
class EmptyClip:
    """The clip is given no gradients.

    Why it matters: steps are unbounded although the code clips, and the norm in the log says that all is calm.

    How it decides: the norm before clipping is exactly 0 in every clip of at least `min_records` records (that of the very first may have used up what
    all later ones are given), while the norm over all gradients is
    above 0 in them. A warning if that norm exceeds `max_norm` in more than `min_over` of the records; else an information. Of clips that
    nobody recorded: `min_check_ups` check-ups but for the first saw torch's clip by norm get nothing, in all of them, and no clip of these
    gradients, which were not 0 (a warning). Units: share of records, 1.

    What to try first: hand the clip `model.parameters()`, not a variable that was iterated before.

    Guards against: gradients that are 0 themselves (LD205, LD616); several clip calls, of which another one holds the gradients; clips by
    value.

    References: PyTorch, `torch.nn.Module.parameters`: an iterator; `torch.nn.utils.clip_grad_norm_`.
    """

    code: ClassVar[str] = "LD309"
    name: ClassVar[str] = "empty-clip"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("The clip is given no gradients")
    reads: ClassVar[tuple[Quantity, ...]] = (q.GRADIENT_NORM,)
    may_read: ClassVar[tuple[Quantity, ...]] = (
        q.CLIP_GLOBAL_NORM,
        q.CLIP_MAX_NORM,
        q.CLIP_CALLS,
        q.CLIP_BOUND,
        q.EMPTY_CLIPS,
        q.CLIPS_SEEN,
        q.BACKWARD_NORM,
    )
    explains: ClassVar[tuple[str, ...]] = ("LD102", "LD103", "LD104", "LD203", "LD305", "LD523")

    #: records; by then every batch has not been without a gradient by chance
    min_records: int = 10
    #: share of records, 1; now and then is chance
    min_over: float = 0.05
    #: check-ups that saw an unrecorded clip
    min_check_ups: int = 3

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield one finding for a run all of whose clips are empty."""
        if q.CLIP_GLOBAL_NORM in run:
            yield from self._recorded(run)
        elif q.EMPTY_CLIPS in run:
            yield from self._seen(run)
        else:
            raise not_recorded(q.CLIP_GLOBAL_NORM, q.EMPTY_CLIPS)

    def _seen(self, run: Run) -> Iterator[Finding]:
        """Clips by torch's own function, seen in check-ups: every model that is clipped at all gets nothing."""
        seen = [self._unclipped(run, each.column) for each in columns(run, q.BACKWARD_NORM)]
        if not seen or min(map(len, seen)) < self.min_check_ups:
            return
        norm, steps = float(np.median(seen[0])), run[q.EMPTY_CLIPS].steps
        message = _SEEN.format(checks=str(len(seen[0])), norm=short_number(norm))
        column = run[q.EMPTY_CLIPS].columns[0]
        evidence = Evidence(q.EMPTY_CLIPS.name, column, int(steps[0]), int(steps[-1]), None, norm)
        advice = _ADVICE.format(max_norm="1.0")
        yield Finding(self.code, self.severity, "", (evidence,), message, advice, {"norm": norm})

    def _unclipped(self, run: Run, column: str) -> Doubles:
        """Gradient norms of a model's check-ups after the first, if an empty clip stands in all of them and no other."""
        steps = run[q.BACKWARD_NORM].steps[1:]
        norms = at_steps(run, q.BACKWARD_NORM, steps, column, 0.0)
        empty = at_steps(run, q.EMPTY_CLIPS, steps, column, 0.0) >= 1
        others = at_steps(run, q.CLIPS_SEEN, steps, column, 0.0) >= 1
        nothing = empty & ~others & (norms > 0)
        return norms if nothing.all() else norms[:0]

    def _recorded(self, run: Run) -> Iterator[Finding]:
        clips = ledger(run)
        if not clips or max(len(one) for one in clips) < self.min_records:
            raise too_few(self.min_records, Text("clips by norm"))
        highest = [run.highest(q.CLIP_GLOBAL_NORM).column(one.column) != 0 for one in clips]
        if any(there[1:].any() for there in highest):
            return
        for one, there in zip(clips, highest, strict=True):
            later = one.where(np.arange(len(one)) > 0) if there[0] else one
            norms = _norms(run, later)
            if len(norms) >= self.min_records and (norms > 0).mean() > _MOST:
                yield self._finding(later, norms, _LATER if there[0] else _ALL)

    def _finding(self, clips: ClipSeries, norms: Doubles, which: Text) -> Finding:
        bound, norm = float(np.median(clips.bounds)), float(np.median(norms))
        over = float((norms > bound).mean())
        message = _MESSAGE.format(
            all=which.format(clips=short_number(float(clips.calls.sum()))),
            norm=short_number(norm),
            max_norm=short_number(bound),
        )
        ends = int(clips.steps[0]), int(clips.steps[-1])
        evidence = Evidence(q.CLIP_GLOBAL_NORM.name, clips.column, *ends, 0.0, norm)
        severity = self.severity if over > self.min_over else Severity.INFO
        advice = _ADVICE.format(max_norm=short_number(bound))
        numbers = {"norm": norm, "over": over}
        return Finding(self.code, severity, "", (evidence,), message, advice, numbers)


_MOST = 0.9
"""Of the records; a step without a gradient now and then is not what the clip is about."""


def _norms(run: Run, clips: ClipSeries) -> Doubles:
    """float64[N]: the norm over all gradients in force at the clips' steps, where it is known."""
    table = run[q.GRADIENT_NORM]
    norms: Doubles = in_force(gradient_norm(run), table.steps, clips.steps)
    return norms[np.isfinite(norms)]
