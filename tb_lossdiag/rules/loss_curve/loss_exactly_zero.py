"""LD114 loss-exactly-zero."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import columns, last_seen
from tb_lossdiag.analysis.curve import curve_of, needs_one_model
from tb_lossdiag.analysis.loss_calls import calls_if_any
from tb_lossdiag.diagnosis.rule import Evidence, Finding, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "The loss is exactly 0 in the last {records} records, from step {first} on{before}{norms}: nothing is scored."
)
_BEFORE = Text("; the record before it was {value}")
_NORMS = Text("; the gradient norm beside it is not finite, so a NaN was written as 0")
_NOTHING = Text("")
_ADVICE = Text("""A loss over data is small, never exactly 0 for long. Look at one batch:

```python
print(loss, (targets == -100).float().mean(), targets.unique()[:20])
```

- Every target is ignored (`ignore_index`, a mask, a prompt template that the collator does not find): there is nothing to learn from.
- The loss became NaN and the logger wrote 0 for it: turn its NaN filter off (Transformers: `logging_nan_inf_filter=False`) and look for
  what broke at step {first}.
- It was multiplied by a mask or weight that is 0.""")


@dataclass(frozen=True)
class LossExactlyZero:
    """The loss is exactly 0 up to the end.

    Why it matters: nothing is learned any more, while the curve looks better than ever.

    How it decides: at least `min_records` records in a row up to the newest are exactly 0. Where others came before, the last of them was still at
    least `min_left` of the start, and of as many records before these at most `max_zeros` are 0. Unit: that of the loss.

    What to try first: how many targets of a batch count.

    Guards against: margin losses whose margins are met, which come down to 0 bit by bit, or are known by their call or their form (LD205); scores so far apart that a
    cross-entropy is rounded to 0, in ever more batches; a loss beside whose zeros all gradients are exactly 0 for nearly the whole run
    (`min_idle`), where the loop logs rewards: these are all alike (LD205); agents, whose
    loss is 0 where all rewards are alike, and games (not evaluated).

    References: huggingface/transformers, `logging_nan_inf_filter`; PyTorch, `torch.nn.CrossEntropyLoss`, `ignore_index`.
    """

    code: ClassVar[str] = "LD114"
    name: ClassVar[str] = "loss-exactly-zero"
    severity: ClassVar[Severity] = Severity.ERROR
    title: ClassVar[Text] = Text("The loss is exactly 0")
    reads: ClassVar[tuple[Quantity, ...]] = (q.LOSS,)
    may_read: ClassVar[tuple[Quantity, ...]] = (
        q.GLOBAL_NORM,
        q.GRADIENT_NORM,
        q.STEPS,
        q.LOSS_OF_ANOTHER,
        q.LOSS_TERM,
        q.EXTRA,
        q.CALL_TARGET_MEAN,
        q.CALL_TARGET_STD,
        q.CALL_VALUE,
        q.EXCESS_OF_BOUND,
    )
    explains: ClassVar[tuple[str, ...]] = ("LD104", "LD204", "LD205", "LD523", "LD602")

    #: records in a row up to the newest; one batch may be empty
    min_records: int = 5
    #: share of the start, 1; what was learned down to nothing was smaller before
    min_left: float = 0.05
    #: share of as many records before; scores that are sure beyond rounding come batch by batch
    max_zeros: float = 0.1
    #: share of the run's steps, 1; LD205's
    min_idle: float = 0.9

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield one finding for the zeros at the end."""
        needs_one_model(run)
        loss = curve_of(run, q.LOSS)
        loss.needs(self.min_records)
        above = np.flatnonzero(loss.values != 0)
        first = int(above[-1]) + 1 if len(above) else 0
        count = len(loss) - first
        if count < self.min_records or _has_margins(run):
            return
        idle = loss.steps[-1] - loss.steps[first] >= self.min_idle * np.ptp(loss.steps)
        if idle and _is_multiplied_by_nothing(run, int(loss.steps[first])):
            return
        before = float(loss.values[first - 1]) if first else np.nan
        came = loss.values[max(0, first - count) : first]
        if first and (
            abs(before) < self.min_left * abs(loss.start) or (came == 0).mean() > self.max_zeros
        ):
            return
        ends = int(loss.steps[first]), int(loss.steps[-1])
        message = _MESSAGE.format(
            records=str(count),
            first=str(ends[0]),
            before=_BEFORE.format(value=short_number(before)) if first else _NOTHING,
            norms=_NORMS if _norms_broke(run, ends[0]) else _NOTHING,
        )
        evidence = Evidence(q.LOSS.name, "", *ends, 0.0)
        advice = _ADVICE.format(first=str(ends[0]))
        yield Finding(
            self.code, self.severity, "", (evidence,), message, advice, {"records": count}, ends[0]
        )


def _has_margins(run: Run) -> bool:
    """Whether the loss is one that is 0 where a margin is met: by its call, or by hand at the newest zeros."""
    zeros = run[q.LOSS].steps[run[q.LOSS].values[:, 0] == 0]
    if len(zeros) and last_seen(run, q.EXCESS_OF_BOUND) >= zeros[0]:
        return True
    return any("margin" in c.function or "hinge" in c.function for c in calls_if_any(run))


def _is_multiplied_by_nothing(run: Run, first: int) -> bool:
    """Whether each parameter has a gradient from this step on, and it is exactly 0, of a loss that is no call's."""
    if q.GRADIENT_NORM not in run or q.CALL_VALUE in run or "rewards" not in run.facts:
        return False  # without rewards, targets that are all ignored look the same
    table = run.highest(q.GRADIENT_NORM)
    later = table.values[table.steps >= first]
    known = np.isfinite(later)
    return bool(known.any() and (later[known] == 0).all())


def _norms_broke(run: Run, first: int) -> bool:
    if q.GLOBAL_NORM not in run:
        return False
    table = run[q.GLOBAL_NORM]
    later = table.values[table.steps >= first]
    finite = [values for _, steps, values in columns(run, q.GLOBAL_NORM) if (steps >= first).any()]
    return len(later) > 0 and not finite
