"""LD901 record-gap."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.diagnosis.rule import Evidence, Finding, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "Another writer was open in the same run folder when the session at step {step} began ({count} of them). TensorBoard's default loader on macOS and Windows reads only the newest file, so a part of the record may be missing."
)
_ADVICE = Text("""Use one folder per run, and one writer for everything in it:

```python
writer = SummaryWriter(log_dir="runs/" + name)  # the only writer in this folder; close() it before opening another
```

In data-parallel training let rank 0 alone write.""")

_TOGETHER = Text(
    "The writer of {framework} was open in the run folder, too. TensorBoard's default loader on macOS and Windows reads only the newest file there."
)
_TOGETHER_ADVICE = Text("""On macOS and Windows let TensorBoard read all files of a folder; `tb-lossdiag check` always does:

```sh
tensorboard --logdir LOGDIR --reload_multifile=true
```

Or give the callback a folder of its own: `LossDoctor("runs/mine")`.""")
_GAP = Text(
    "Nothing was recorded between steps {first} and {last}: {times} times the distance of the records around."
)
_GAP_ADVICE = Text("""A run that was killed loses what its writer had not written yet; a resumed one may also count its steps anew. Resume with the step
of the checkpoint, and write often enough:

```python
writer = SummaryWriter(log_dir, flush_secs=30)
for step in range(checkpoint["step"] + 1, total):
    ...
```

Spans of the rules that cross the gap know nothing of what happened in it.""")


@dataclass(frozen=True)
class RecordGap:
    """Records may be missing: several writers in one run folder, or a hole in the steps.

    Why it matters: what isn't read can't be judged, and two trainings in one folder mix their steps.

    How it decides: when a writer opened, `min_others` or more event files of its folder were still open by others. Unit: writers.
    If it was the framework's own writer, beside which a callback was put, an information.
    Or the steps between two records of the loss are at least `min_times` those before and after, at least `min_steps`, and
    `min_part` of the run, in at most `max_gaps` places: an information. Unit: steps.

    What to try first: one folder per run and one writer per folder.

    Guards against: resuming a finished run in its folder: its writer has been closed; windows that widen by themselves, twofold; a
    rhythm of bursts, which has many such places.

    References: TensorBoard README, "Only one summary writer per directory"; `--reload_multifile`.
    """

    code: ClassVar[str] = "LD901"
    name: ClassVar[str] = "record-gap"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("Records may be missing")
    reads: ClassVar[tuple[Quantity, ...]] = (q.OTHER_WRITERS,)
    may_read: ClassVar[tuple[Quantity, ...]] = (q.LOSS,)
    explains: ClassVar[tuple[str, ...]] = ()

    #: writers; TensorBoard supports one per folder
    min_others: int = 1
    #: steps of the gap over those between the records around it, 1; windows widen twofold
    min_times: float = 10.0
    #: steps of the gap; a shorter one is soon over
    min_steps: int = 100
    #: share of the run's steps, 1; a shorter hole hides little
    min_part: float = 0.02
    #: places; more of them are a rhythm
    max_gaps: int = 3

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding for the first session that wasn't alone, and one per gap."""
        yield from self._shared(run)
        if q.LOSS in run:
            yield from self._gaps(run)

    def _gaps(self, run: Run) -> Iterator[Finding]:
        steps = run[q.LOSS].steps
        between = np.diff(steps)
        if len(between) < 3:  # noqa: PLR2004  (one before, the gap, one after)
            return
        around = np.maximum(between[:-2], between[2:])
        middle = between[1:-1]
        gap = (middle >= self.min_times * around) & (middle >= self.min_steps)
        gap &= middle >= self.min_part * (steps[-1] - steps[0])
        places = np.flatnonzero(gap)
        for place in places if len(places) <= self.max_gaps else ():
            ends = int(steps[place + 1]), int(steps[place + 2])
            times = float(middle[place] / around[place])
            message = _GAP.format(
                first=str(ends[0]), last=str(ends[1]), times=short_number(round(times))
            )
            evidence = Evidence(q.LOSS.name, "", *ends, times, self.min_times)
            numbers = {"steps": float(middle[place])}
            yield Finding(self.code, Severity.INFO, "", (evidence,), message, _GAP_ADVICE, numbers)

    def _shared(self, run: Run) -> Iterator[Finding]:
        sessions = run[q.OTHER_WRITERS]
        others = sessions.column("")
        shared = np.flatnonzero(others >= self.min_others)
        if len(shared):
            first, last = int(sessions.steps[shared[0]]), int(sessions.steps[shared[-1]])
            count = float(others[shared[0]])
            evidence = (Evidence(q.OTHER_WRITERS.name, "", first, last, count, self.min_others),)
            numbers, framework = {"writers": count}, run.facts.get(q.BESIDE, "")
            if framework and others.max() <= 1:
                said = _TOGETHER.format(framework=framework)
                yield Finding(
                    self.code, Severity.INFO, "", evidence, said, _TOGETHER_ADVICE, numbers
                )
                return
            message = _MESSAGE.format(step=str(first), count=short_number(count))
            yield Finding(self.code, self.severity, "", evidence, message, _ADVICE, numbers)
