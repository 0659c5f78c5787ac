"""LD111 settled-above-start."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.blocks import in_blocks
from tb_lossdiag.analysis.columns import columns
from tb_lossdiag.analysis.curve import Curve, curve_of, divergence, needs_one_model
from tb_lossdiag.analysis.levels import median, noise
from tb_lossdiag.analysis.maturity import needs_records
from tb_lossdiag.analysis.parameters import rate
from tb_lossdiag.analysis.progress import below_baseline
from tb_lossdiag.diagnosis import settings
from tb_lossdiag.diagnosis.rule import Evidence, Finding, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "The loss began at {start}, leapt to {peak} by step {peak_step} and has settled at {end}, {times} times its start: what the model knew is lost, and it trains on from there."
)
_RATE = Text(" (it was {lr} at step {step}; try {less})")
_NO_RATE = Text("")
_ADVICE = Text("""Begin again; going on from here costs as much as training anew. The break lies at step {break_step} or before:

- lower the learning rate{rate}, and warm it up over the first steps;
- clip the gradients to a few times their usual norm;
- in half precision, look for the first NaN or infinite value that was skipped.

```python
torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
```""")


@dataclass(frozen=True)
class SettledAboveStart:
    """The loss broke out early and settled far above where it began.

    Why it matters: a falling curve at the end hides that a pretrained model was destroyed in the first steps.

    How it decides: the level of the last quarter is at least `min_ratio` times the start (level of the first three records) and above it by three times the noise; a record in between is at least `min_peak` times the start; and the break was sudden: from one record to the next the loss
    rose by `min_leap`, or the gradient norm reached `min_gradient` times its first level before the peak. Unit: that of the loss.

    What to try first: a lower learning rate, warm-up, clipping; then begin again.

    Guards against: a loss that is still rising (LD102); losses that go below zero, games and agents (not evaluated); a queue that fills or
    data that get harder or come in blocks, which rise step by step, change the inputs or leave a loss call below its best constant answer.

    References: Zhang et al. 2022, OPT-175B logbook (arXiv 2205.01068), section 2.5; public QLoRA logs with a learning rate a hundred
    times too high, which read 1.4, 26, 37, 9.9 and end at 7.5.
    """

    code: ClassVar[str] = "LD111"
    name: ClassVar[str] = "settled-above-start"
    severity: ClassVar[Severity] = Severity.ERROR
    title: ClassVar[Text] = Text("The loss broke out and settled far above its start")
    reads: ClassVar[tuple[Quantity, ...]] = (q.LOSS,)
    may_read: ClassVar[tuple[Quantity, ...]] = (
        q.GLOBAL_NORM,
        q.LEARNING_RATE,
        q.GRADIENT_NORM,
        q.PARAMETER_NORM,
        q.VALIDATION_LOSS,
        q.VALIDATION_ACCURACY,
        q.STEPS,
        q.LOSS_OF_ANOTHER,
        q.INPUT_STD,
        q.CALL_VALUE,
        q.CALL_BASELINE,
        q.LOSS_TERM,
        q.EXTRA,
        q.CALL_TARGET_MEAN,
        q.CALL_TARGET_STD,
    )
    explains: ClassVar[tuple[str, ...]] = ("LD103", "LD104", "LD105", "LD202", "LD203", "LD523")
    setting: ClassVar[str] = settings.RATE

    #: level of the last quarter over that of the first three records, 1; a warm-up ripple comes back below
    min_ratio: float = 1.5
    #: highest record over the start, 1
    min_peak: float = 3.0
    #: from one record to the next, 1; queues fill and curricula rise by less
    min_leap: float = 2.0
    #: gradient norm over its first level, 1
    min_gradient: float = 10.0
    #: records of the whole run
    min_run: int = 30
    #: records where each stands for an epoch, or for ten steps and more
    min_sparse: int = 12

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield one finding for a run that trains on from ruins."""
        needs_one_model(run)
        loss = curve_of(run, q.LOSS)
        loss.needs_positive()
        needs_records(run, loss, self.min_run, self.min_sparse)
        start = loss.start
        end = float(np.median(loss.values[-max(3, len(loss) // 4) :]))
        top = int(np.argmax(loss.values))
        peak = float(loss.values[top])
        late = noise(loss.values[-max(5, len(loss) // 4) :])
        above = end >= max(self.min_ratio * start, start + 3 * late)
        if not (above and peak >= self.min_peak * start and top > 0):
            return
        if self._sudden(run, loss, top) and not self._excused(run, loss):
            yield self._finding(run, loss, top, (start, end))

    def _sudden(self, run: Run, loss: Curve, top: int) -> bool:
        """Whether it broke between two records, or the gradients did."""
        part = loss.values[: top + 1]
        if bool(np.any(part[1:] >= self.min_leap * part[:-1])):
            return True
        for _, steps, norms in columns(run, q.GLOBAL_NORM):
            before = norms[steps <= loss.steps[top]]
            if len(before) > _FIRST and before.max() >= self.min_gradient * median(before[:_FIRST]):
                return True
        return False

    def _excused(self, run: Run, loss: Curve) -> bool:
        """Whether it is another rule's matter, or the data are others, or the model knows more than a constant."""
        away = divergence(loss, 2.0, self.min_sparse // 4, 0.1)
        if (
            below_baseline(run)
            or in_blocks(run)
            or (away is not None and (away.fell or away.end >= _TOP * away.peak))
        ):
            return True
        seen = [values for _, _, values in columns(run, q.INPUT_STD)]
        return any(len(v) and abs(v[-1] - v[0]) > _OTHER * abs(v[0]) for v in seen)

    def _finding(self, run: Run, loss: Curve, top: int, levels: tuple[float, float]) -> Finding:
        start, end = levels
        leap = int(np.argmax(loss.values[1 : top + 1] / loss.values[:top])) + 1
        step = int(loss.steps[leap])
        lr = rate(run, step)
        more = _NO_RATE
        if lr:
            less = short_number(float(f"{lr / 10:.1g}"))
            more = _RATE.format(lr=short_number(lr), step=str(step), less=less)
        words = {"start": start, "peak": float(loss.values[top]), "end": end}
        message = _MESSAGE.format(
            peak_step=str(int(loss.steps[top])),
            times=short_number(end / start),
            **{name: short_number(value) for name, value in words.items()},
        )
        evidence = Evidence(q.LOSS.name, "", step, int(loss.steps[-1]), end, self.min_ratio * start)
        advice = _ADVICE.format(rate=more, break_step=str(step))
        return Finding(self.code, self.severity, "", (evidence,), message, advice, words, step)


_FIRST = 3
"""Records whose median is a norm's first level."""
_TOP = 0.9
"""Of the highest level; what ends there is still diverging (LD102)."""
_OTHER = 0.2
"""Relative change of the inputs' standard deviation; batches of one kind of data differ by a tenth."""
