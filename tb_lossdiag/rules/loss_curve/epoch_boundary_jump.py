"""LD115 epoch-boundary-jump."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.curve import Curve, curve_of, needs_one_model
from tb_lossdiag.analysis.levels import noise
from tb_lossdiag.diagnosis.rule import Evidence, Finding, NotEnough, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.records import Steps
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "The loss jumps {way} {jumps} times, every {period} steps, the first time at step {step} from {before} to {after}: it keeps time with something of the loop, such as the beginning of an epoch."
)
_UP, _DOWN = Text("up"), Text("down")
_ADVICE = Text("""Look what the loop does every {period} steps.

- A mean that begins anew each epoch: log the loss of the step, or the mean of a fixed number of steps.
- Down at each epoch: what has been seen once is known by heart the second time; with few data that is overfitting, and validation tells.
- Up at each epoch: data that are not shuffled, so that an epoch ends with what is easy; state that is made anew (optimizer, recurrent state, statistics).
- An evaluation in between that leaves something behind: a mode (`model.train()` afterwards), a random state, a buffer.""")


@dataclass(frozen=True)
class EpochBoundaryJump:
    """The loss jumps again and again after equally many steps.

    Why it matters: such jumps look like instability, and are bookkeeping: a smaller rate or a clip changes nothing about them.

    How it decides: differences from record to record of more than `min_deviation` times their noise (1.48 times their median size), all in one direction or
    nearly so, are at least `min_jumps`; the records between them are as many each time, give or take one, or twice as many where one is missed; and they
    go on over at least `min_span` of the run. Unit: that of the loss.

    What to try first: compare the number of steps with that of an epoch.

    Guards against: spikes without a rhythm (LD103); fewer jumps, which may be equally far apart by chance; records so rare that every one of them is an epoch;
    a rate with warm restarts, whose loss follows it.

    References: FTD's public runs (Qwen2.5-7B, a loss that doubles where each of ten epochs begins); google-research/simclr issue 189; wandb/wandb issue 9606.
    """

    code: ClassVar[str] = "LD115"
    name: ClassVar[str] = "epoch-boundary-jump"
    severity: ClassVar[Severity] = Severity.INFO
    title: ClassVar[Text] = Text("The loss jumps in time with the epochs")
    reads: ClassVar[tuple[Quantity, ...]] = (q.LOSS,)
    may_read: ClassVar[tuple[Quantity, ...]] = (
        q.LEARNING_RATE,
        q.STEPS,
        q.LOSS_OF_ANOTHER,
        q.LOSS_TERM,
        q.EXTRA,
        q.CALL_TARGET_MEAN,
        q.CALL_TARGET_STD,
    )
    explains: ClassVar[tuple[str, ...]] = ("LD103", "LD105")

    #: times the noise from record to record; one of a million is beyond it by chance
    min_deviation: float = 6.0
    #: jumps; three gaps that are equal by chance are one in several hundred
    min_jumps: int = 4
    #: share of the run that they go on over, 1
    min_span: float = 0.5
    #: records between two jumps; fewer are no epoch that one could see
    min_period: int = 5
    #: records of the loss; fewer hold no four of its jumps
    min_records: int = 50

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield one finding for the run."""
        needs_one_model(run)
        loss = curve_of(run, q.LOSS)
        if len(loss) < self.min_records:
            raise NotEnough(
                Text("at least {least} records of the loss").format(least=self.min_records)
            )
        change = np.diff(loss.values)
        size = noise(loss.values) * np.sqrt(2)
        far = np.abs(change) > self.min_deviation * size
        way = 1 if (change[far] > 0).sum() * 2 >= far.sum() else -1
        rows = np.flatnonzero(far & (np.sign(change) == way)) + 1
        if not size or len(rows) < self.min_jumps or not self._in_time(rows, len(loss)):
            return
        if _restarts(run, loss.steps[rows]):
            return
        yield self._found(loss, rows, way)

    def _in_time(self, rows: Steps, records: int) -> bool:
        gaps = np.diff(rows)
        period = float(np.median(gaps))
        if period < self.min_period or rows[-1] - rows[0] < self.min_span * records:
            return False
        beats = np.maximum(np.round(gaps / period), 1)
        return bool((np.abs(gaps - beats * period) <= 1).all() and beats.max() <= 2)  # noqa: PLR2004  (one was missed)

    def _found(self, loss: Curve, rows: Steps, way: int) -> Finding:
        steps = loss.steps[rows]
        period, first = int(np.median(np.diff(steps))), int(rows[0])
        before, after = (short_number(float(loss.values[row])) for row in (first - 1, first))
        message = _MESSAGE.format(
            way=_UP if way > 0 else _DOWN,
            jumps=str(len(rows)),
            period=str(period),
            step=str(int(steps[0])),
            before=before,
            after=after,
        )
        ends = int(steps[0]), int(steps[-1])
        seen = Evidence(q.LOSS.name, "", *ends)
        advice = _ADVICE.format(period=str(period))
        numbers = {"period": period, "jumps": len(rows)}
        return Finding(self.code, self.severity, "", (seen,), message, advice, numbers)


def _restarts(run: Run, steps: Steps) -> bool:
    """Whether the learning rate rises where the loss jumps: then the loss follows it."""
    if q.LEARNING_RATE not in run:
        return False
    table = run[q.LEARNING_RATE]
    rates = np.nan_to_num(table.values.astype(np.float64)).max(axis=1)
    raised = table.steps[1:][np.diff(rates) > 0.1 * rates[:-1]]
    near = [bool((np.abs(raised - step) <= 2).any()) for step in steps] if len(raised) else []  # noqa: PLR2004  (a record's delay)
    return sum(near) * 2 > len(steps)
