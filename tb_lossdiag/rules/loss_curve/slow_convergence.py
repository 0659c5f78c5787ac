"""LD109 slow-convergence."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.curve import Curve, curve_of
from tb_lossdiag.analysis.levels import median
from tb_lossdiag.analysis.maturity import needs_beginning, needs_full_rate
from tb_lossdiag.analysis.parameters import Family, family, rate
from tb_lossdiag.analysis.updates import estimated
from tb_lossdiag.diagnosis import settings
from tb_lossdiag.diagnosis.rule import Evidence, Finding, NotEnough, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.records import Doubles
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "The loss has fallen from {start} to {end} and is still falling at an almost constant pace; a step moves the typical weight matrix by at most {ratio} of its norm (around 1e-3 is usual). At this pace a tenth of the start is {steps} steps away."
)
_ADVICE = Text("""The training is healthy but far too slow. Raise the learning rate in steps of 3, from {lr} towards {more}, as long as the loss stays smooth.

```python
for group in optimizer.param_groups:
    group["lr"] = {next}
```{family}""")
_FAMILIES = {
    Family.SGD: Text(
        "\n\nWith SGD the step is proportional to the gradient: momentum 0.9 gives ten times the pace at the same learning rate."
    ),
    Family.ADAM: Text(
        "\n\nWith an Adam-like optimizer the step is about the learning rate per element; scaling the loss would change nothing."
    ),
    Family.UNKNOWN: Text(""),
}


@dataclass(frozen=True)
class SlowConvergence:
    """The loss falls steadily, but so slowly that most of the way is still ahead.

    Why it matters: the same result could be had in a tenth of the steps, or a far better one in as many.

    How it decides: an upper estimate of the update-to-weight ratio from the optimizer's formula (median over weight matrices and
    records) is below `max_ratio`; the medians of the run's four quarters fall one after the other, the last time by at least
    `min_pace` of the first time, over at least
    `min_steps` steps, or `min_short` where the ratio is below `max_short` and a tenth of the start lies `min_runs` such runs ahead; and in all the loss has lost between `min_fall` and `learned` of its start. Unit: per step.

    What to try first: a learning rate three times as large, again and again.

    Guards against: a run that has converged or slows down by itself; one that is still warming up or was resumed (not evaluated); the end of a schedule (the median over the run counts); one
    that does not fall at all (LD104, LD602); optimizers whose formula isn't known, losses below zero (not evaluated).

    References: Karpathy 2022, Building makemore part 3 (update-to-data ratio around 1e-3); Smith 2017 (arXiv 1506.01186).
    """

    code: ClassVar[str] = "LD109"
    name: ClassVar[str] = "slow-convergence"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("The training is far too slow")
    reads: ClassVar[tuple[Quantity, ...]] = (
        q.LOSS,
        q.LEARNING_RATE,
        q.GRADIENT_NORM,
        q.PARAMETER_NORM,
        q.PARAMETER_SIZE,
    )
    may_read: ClassVar[tuple[Quantity, ...]] = (
        q.PARAMETER_TRAINABLE,
        q.MOMENTUM,
        q.CLIP_GLOBAL_NORM,
        q.CLIP_MAX_NORM,
    )
    explains: ClassVar[tuple[str, ...]] = ("LD106",)
    setting: ClassVar[str] = settings.RATE

    #: per step, 1; a fifth of the usual 1e-3: a small classifier wins 1% in 800 steps there, and all of it with ten times more
    max_ratio: float = 2e-4
    #: last fall over first fall of the quarters, 1; a run that converges slows down by more
    min_pace: float = 0.5
    #: share of the starting loss, 1; less is LD104's
    min_fall: float = 0.005
    #: share of the starting loss, 1; who has won most of it is done
    learned: float = 0.8
    #: records; a quarter then has enough for a standard error
    min_records: int = 50
    #: steps between the first and the last; before, one cannot speak of a pace
    min_steps: int = 500
    #: the same where the steps are so small that no longer run would show more
    min_short: int = 100
    #: per step, 1; a twentieth of the usual 1e-3
    max_short: float = 5e-5
    #: times the run's own length to a tenth of the start; who needs a few runs more was cut off early
    min_runs: float = 10.0

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield one finding for the whole run."""
        updates, loss = estimated(run), curve_of(run, q.LOSS)
        if updates is None:
            raise NotEnough(Text("one optimizer of the SGD or Adam kind, given with optimizer="))
        loss.needs_positive()
        loss.needs(self.min_records)
        needs_beginning(loss)
        needs_full_rate(run, loss)
        ratio = float(median(median(updates.ratios, axis=1)))
        self._needs_time(loss, ratio)
        if np.isfinite(ratio) and ratio < self.max_ratio and self._still_falls(loss):
            yield self._finding(run, loss, ratio)

    def _needs_time(self, loss: Curve, ratio: float) -> None:
        """Long enough to speak of a pace; a shorter run may show that it would take many of its kind."""
        length, ahead = _length(loss), _ahead(loss, _quarters(loss))
        hopeless = ratio < self.max_short and ahead >= self.min_runs * length
        least = self.min_short if hopeless else self.min_steps
        if length < least - 1:
            raise NotEnough(Text("at least {least} steps").format(least=least))

    def _still_falls(self, loss: Curve) -> bool:
        levels = _quarters(loss)
        falls = -np.diff(levels)
        fewest = min(map(len, _parts(loss)))
        error = 1.25 * loss.noise / math.sqrt(fewest)  # standard error of a median
        total = 1 - levels[-1] / loss.start
        steady = falls[-1] >= self.min_pace * falls[0] and bool(np.all(falls > 2 * error))
        return steady and self.min_fall <= total <= self.learned

    def _finding(self, run: Run, loss: Curve, ratio: float) -> Finding:
        ends, levels = (int(loss.steps[0]), int(loss.steps[-1])), _quarters(loss)
        steps = _ahead(loss, levels)
        message = _MESSAGE.format(
            start=short_number(loss.start),
            end=short_number(float(levels[-1])),
            ratio=short_number(ratio),
            steps=short_number(float(f"{steps:.1g}")),
        )
        rates = run[q.LEARNING_RATE]
        evidence = (
            Evidence(q.LOSS.name, "", *ends),
            Evidence(q.LEARNING_RATE.name, rates.columns[0], *ends, ratio, self.max_ratio),
        )
        numbers = {"ratio": ratio, "end": float(levels[-1])}
        return Finding(
            self.code, self.severity, "", evidence, message, _advice(run, ratio), numbers
        )


def _length(loss: Curve) -> int:
    """Steps from the first record to the last."""
    return int(loss.steps[-1] - loss.steps[0])


def _ahead(loss: Curve, levels: Doubles) -> float:
    """Steps to a tenth of the start, at the pace of the last two quarters; infinite or negative where it does not fall."""
    pace = (levels[-2] - levels[-1]) / max(_length(loss) / 4, 1)
    return float((levels[-1] - 0.1 * loss.start) / pace) if pace else math.inf


def _quarters(loss: Curve) -> Doubles:
    """float64[4]: medians of the run's quarters."""
    return np.array([float(np.median(part)) for part in _parts(loss)])


def _parts(loss: Curve) -> list[Doubles]:
    return np.split(loss.values, [loss.row(share) for share in (0.25, 0.5, 0.75)])


def _advice(run: Run, ratio: float) -> Text:
    lr, kind = rate(run) or 0.0, _FAMILIES[family(run)]
    more = float(f"{lr * min(1e-3 / max(ratio, 1e-12), 1e4):.1g}")
    words = {"lr": short_number(lr), "more": short_number(more), "next": short_number(3 * lr)}
    return _ADVICE.format(family=kind, **words)
