"""LD107 overfitting."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.curve import Curve, curve_of
from tb_lossdiag.analysis.levels import Span, noise, spans
from tb_lossdiag.diagnosis.rule import Evidence, Finding, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "The validation loss was best at step {best_step} ({best}) and is {end} at step {last}, {percent}% above, while the training loss fell from {train_then} to {train_now}."
)
_ADVICE = Text("""Keep the parameters of step {best_step}: nothing after it generalised better. Then, in this order:

- more or more varied data (augmentation), the only cure without a price;
- regularisation: weight decay (`AdamW(..., weight_decay=0.05)`), dropout, label smoothing;
- a smaller model, or fewer trainable layers when fine-tuning.

A classifier's accuracy may still rise while its loss does: then it becomes too sure of itself, and label smoothing alone may do.

```python
if validation_loss < best:
    best = validation_loss
    torch.save(model.state_dict(), "best.pt")
```""")


@dataclass(frozen=True)
class Overfitting:
    """The validation loss rises while the training loss still falls.

    Why it matters: every further step makes the model worse on data it hasn't seen; the best one lies behind.

    How it decides: level = median of 3 validation records. Since its minimum it has been at least `min_rise` above it for
    `min_records` records in a row up to the end, more than twice its noise, while the level of the training loss fell by more
    than `min_train_fall`. Unit: that of the loss.

    What to try first: keep the checkpoint of the best step, then more data, regularisation, a smaller model.

    Guards against: a noisy validation point; a rise that is small beside what was won since the start; a divergence, where the
    training loss rises too; losses below zero (not evaluated).

    References: Prechelt 1998, Early Stopping, But When?; Goodfellow, Bengio and Courville 2016, Deep Learning, section 7.8.
    """

    code: ClassVar[str] = "LD107"
    name: ClassVar[str] = "overfitting"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("The model overfits")
    reads: ClassVar[tuple[Quantity, ...]] = (q.VALIDATION_LOSS, q.LOSS)
    may_read: ClassVar[tuple[Quantity, ...]] = ()
    explains: ClassVar[tuple[str, ...]] = ("LD108",)

    #: relative to the best level, 1; Prechelt's generalisation loss GL between 5% and 20%
    min_rise: float = 0.1
    #: validation records in a row; rules from one epoch stop too early (Prechelt's UP strategies use 3 to 8)
    min_records: int = 3
    #: relative to the level at the best step, 1; below, the training loss has stopped falling
    min_train_fall: float = 0.02
    #: share of the fall since the start, 1; a smaller rise doesn't matter to anybody
    min_share: float = 0.02
    #: validation records of the whole run; fewer show no turn
    min_run: int = 6

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield one finding if validation turned and training did not."""
        validation, train = curve_of(run, q.VALIDATION_LOSS), curve_of(run, q.LOSS)
        for loss, least in ((validation, self.min_run), (train, self.min_run)):
            loss.needs_positive()
            loss.needs(least)
        turn = self._turn(validation)
        if turn is not None:
            best, span = turn
            then, now = _level_at(train, validation.steps[best]), float(train.level[-1])
            if now < (1 - self.min_train_fall) * then:
                yield self._finding(validation, best, span, (then, now))

    def _turn(self, loss: Curve) -> tuple[int, Span] | None:
        """Record of the best level, and the records above it up to the end."""
        best = int(np.argmin(loss.level))
        least = float(loss.level[best])
        rise = max(
            self.min_rise * least,
            2 * noise(loss.values),
            self.min_share * (float(loss.values[0]) - least),
        )
        above = spans(
            (loss.level >= least + rise) & (np.arange(len(loss)) > best), self.min_records
        )
        return (best, above[-1]) if above and above[-1].last == len(loss) - 1 else None

    def _finding(self, loss: Curve, best: int, span: Span, train: tuple[float, float]) -> Finding:
        least, end = float(loss.level[best]), float(loss.level[-1])
        best_step = int(
            loss.steps[max(best - 2, 0) : best + 1][
                np.argmin(loss.values[max(best - 2, 0) : best + 1])
            ]
        )
        ends = span.ends(loss.steps)
        message = _MESSAGE.format(
            best_step=str(best_step),
            best=short_number(least),
            end=short_number(end),
            last=str(ends[1]),
            percent=f"{100 * (end / least - 1):.0f}" if least else "inf",
            train_then=short_number(train[0]),
            train_now=short_number(train[1]),
        )
        evidence = Evidence(q.VALIDATION_LOSS.name, "", *ends, end, (1 + self.min_rise) * least)
        numbers = {"best_step": best_step, "best": least, "end": end}
        advice = _ADVICE.format(best_step=str(best_step))
        return Finding(self.code, self.severity, "", (evidence,), message, advice, numbers)


def _level_at(loss: Curve, step: int) -> float:
    """Level at the last record up to a step, else the first."""
    return float(loss.level_at(np.array([step]))[0])
