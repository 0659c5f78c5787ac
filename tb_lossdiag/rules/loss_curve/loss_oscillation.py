"""LD105 loss-oscillation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import latest, windowed
from tb_lossdiag.analysis.curve import Curve, curve_of, needs_one_model
from tb_lossdiag.analysis.levels import noise
from tb_lossdiag.analysis.parameters import Family, family, rate
from tb_lossdiag.analysis.updates import estimated
from tb_lossdiag.diagnosis import settings
from tb_lossdiag.diagnosis.rule import Evidence, Finding, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.records import Doubles
from tb_lossdiag.run import Run

_SWINGS = Text(
    "From step {first} to {last} the loss swings up and down from step to step (correlation of neighbours {correlation}), by {spread} around a level of {level} that does not fall."
)
_JUMPS = Text(
    "From step {first} to {last} the loss jumps by {spread} from record to record, {times} times as much as in the run's first part, around a level of {level} that does not fall."
)
_ADVICE = Text("""The steps overshoot: lower the learning rate{rate} or let it decay.

```python
scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=total_steps)
```

- {family}
- A larger batch calms what comes from the batches; if that does not calm it, it is the step.""")
_RATE = Text(" (now {lr}; try {less})")
_FAMILIES = {
    Family.SGD: Text("With SGD momentum adds to the swing: try 0.9 instead of more."),
    Family.ADAM: Text(
        "With an Adam-like optimizer every step has about the length of the learning rate, however small the gradient: only a decay brings it to rest."
    ),
    Family.UNKNOWN: Text("Pass `optimizer=` to `add_diagnostics` for advice that fits it."),
}


class _What(NamedTuple):
    """How to say it, with its words; what was seen and its bound; and the change from record to record."""

    text: Text
    words: dict[str, str]
    observed: float
    bound: float
    swing: float


@dataclass(frozen=True)
class LossOscillation:
    """The loss swings and gets nowhere.

    Why it matters: the optimizer jumps from one side of the valley to the other; the bottom stays out of reach.

    How it decides: over the second half of the run, with a level that did not fall by more than `max_fall` between its halves
    and is still above `learned` of the start. Either neighbouring records, one step apart, are opposed: the correlation of the
    loss with itself one step later is below `max_correlation` and its spread is at least `min_spread` of the level;
    or the noise from record to record is at least `min_growth` times that of the run's first quarter and `min_jump` of
    the level. And a step must be long enough to do that: the swing is at most `max_reach` times the sum over the weights of
    update norm x gradient norm (from the optimizer's formula). Where that isn't known, it is only an information. Dimensionless.

    What to try first: a third of the learning rate, or a schedule that lets it decay.

    Guards against: batches of two kinds in turn, which swing without the steps' doing; noise of the batches, which is not opposed and was there from the start, and which a validation loss doesn't show
    (if that is steadier by half, the rule is silent); a loss that falls while it swings; a converged loss; several models.

    References: LeCun, Bottou, Orr and Müller 1998, Efficient BackProp, section 5; Cohen et al. 2021 (arXiv 2103.00065): full-batch
    losses swing at the edge of stability while they fall.
    """

    code: ClassVar[str] = "LD105"
    name: ClassVar[str] = "loss-oscillation"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("The loss swings without falling")
    reads: ClassVar[tuple[Quantity, ...]] = (q.LOSS,)
    may_read: ClassVar[tuple[Quantity, ...]] = (
        q.PARAMETER_TRAINABLE,
        q.VALIDATION_LOSS,
        q.STEPS,
        q.LOSS_OF_ANOTHER,
        q.LEARNING_RATE,
        q.GRADIENT_NORM,
        q.PARAMETER_NORM,
        q.PARAMETER_SIZE,
        q.MOMENTUM,
        q.CLIP_GLOBAL_NORM,
        q.CLIP_MAX_NORM,
        q.LOSS_TERM,
        q.EXTRA,
        q.CALL_TARGET_MEAN,
        q.CALL_TARGET_STD,
    )
    explains: ClassVar[tuple[str, ...]] = ()
    setting: ClassVar[str] = settings.RATE

    #: records; a quarter of them is the least for an estimate of noise
    min_records: int = 80
    #: share of the level, 1; more is a trend
    max_fall: float = 0.05
    #: share of the starting loss, 1; what is below has been learned, and relative noise means little there
    learned: float = 0.1
    #: correlation, 1; independent noise has 0, a swing of period 2 has -1
    max_correlation: float = -0.6
    #: standard deviation over the level, 1; a smaller swing costs little
    min_spread: float = 0.1
    #: noise over that of the first quarter, 1; batches do not become that much more different
    min_growth: float = 5.0
    #: noise over the level, 1
    min_jump: float = 0.2
    #: swing over what a step can change, 1; the gradient differs along the step
    max_reach: float = 4.0
    #: validation records in the second half that can acquit
    min_validation: int = 6

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield one finding for the second half of the run."""
        needs_one_model(run)
        loss = curve_of(run, q.LOSS)
        loss.needs_positive()
        loss.needs(self.min_records)
        half = loss.row(0.5)
        late = Curve(loss.steps[half:], loss.values[half:])
        level = float(np.median(late.values))
        if not np.isfinite(late.values).all() or level <= self.learned * loss.start:
            return
        if self._falls(late) or self._steady_validation(run, late):
            return
        yield from self._judge(run, loss, late, level)

    def _falls(self, late: Curve) -> bool:
        middle = late.row(0.5)
        before, after = np.median(late.values[:middle]), np.median(late.values[middle:])
        return bool(after < (1 - self.max_fall) * before)

    def _steady_validation(self, run: Run, late: Curve) -> bool:
        """Whether a fixed set of data shows less than half of the swing: then it is the batches that differ."""
        if q.VALIDATION_LOSS not in run:
            return False
        validation = curve_of(run, q.VALIDATION_LOSS)
        values = validation.values[validation.steps >= late.steps[0]]
        if len(values) < self.min_validation or np.median(values) <= 0:
            return False
        swing = noise(late.values) / float(np.median(late.values))
        return noise(values) / float(np.median(values)) < swing / 2

    def _judge(self, run: Run, loss: Curve, late: Curve, level: float) -> Iterator[Finding]:
        correlation, spread = _opposed(late.values)
        every_step = bool(np.all(np.diff(late.steps) == 1)) and not windowed(run, q.LOSS).any()
        opposed = every_step and correlation <= self.max_correlation
        words = {"level": short_number(level)}
        if opposed and spread >= self.min_spread * level:
            words |= {"correlation": f"{correlation:.2f}", "spread": short_number(spread)}
            what = _What(_SWINGS, words, correlation, self.max_correlation, 2 * spread)
            yield from self._finding(run, late, what, level)
            return
        early = noise(loss.values[: loss.row(0.25)])
        times = late.noise / early if early else 0.0
        if times >= self.min_growth and late.noise >= self.min_jump * level:
            words |= {"times": short_number(times), "spread": short_number(late.noise)}
            what = _What(_JUMPS, words, times, self.min_growth, late.noise)
            yield from self._finding(run, late, what, level)

    def _finding(self, run: Run, late: Curve, what: _What, level: float) -> Iterator[Finding]:
        reach = _reach(run, late)
        if reach is not None and what.swing > self.max_reach * reach:
            return
        ends = int(late.steps[0]), int(late.steps[-1])
        message = what.text.format(first=str(ends[0]), last=str(ends[1]), **what.words)
        evidence = Evidence(q.LOSS.name, "", *ends, what.observed, what.bound)
        numbers = {"level": level, "observed": what.observed}
        severity = Severity.INFO if reach is None else self.severity
        advice = _advice(run, ends[1])
        yield Finding(self.code, severity, "", (evidence,), message, advice, numbers)


def _reach(run: Run, late: Curve) -> float | None:
    """What a typical step can change the loss by, to first order: sum over the weights of update norm x gradient norm."""
    needed = (q.LEARNING_RATE, q.GRADIENT_NORM, q.PARAMETER_NORM, q.PARAMETER_SIZE)
    updates = estimated(run) if all(quantity in run for quantity in needed) else None
    if updates is None:
        return None
    rows = updates.steps >= late.steps[0]
    steps = updates.steps[rows]
    gradient = run[q.GRADIENT_NORM].at(steps, updates.columns)
    size = latest(run[q.PARAMETER_NORM], steps, updates.columns)
    reach = np.nansum(updates.ratios[rows] * size * gradient, axis=1)
    return float(np.median(reach)) if len(reach) else None


def _opposed(values: Doubles) -> tuple[float, float]:
    """Correlation of a level loss with itself one record later, and its standard deviation."""
    rest = values - float(np.mean(values))
    spread = float(np.std(rest))
    return (float(np.mean(rest[1:] * rest[:-1])) / spread**2, spread) if spread else (0.0, 0.0)


def _advice(run: Run, last: int) -> Text:
    lr, kind = rate(run, last), _FAMILIES[family(run)]
    at = Text("") if not lr else _RATE.format(lr=short_number(lr), less=short_number(lr / 3))
    return _ADVICE.format(rate=at, family=kind)
