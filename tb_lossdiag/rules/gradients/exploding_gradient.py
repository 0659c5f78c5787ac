"""LD202 exploding-gradient."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import held
from tb_lossdiag.analysis.curve import Curve, curve_of
from tb_lossdiag.analysis.levels import Bools, Span, history, median, spans
from tb_lossdiag.analysis.non_finite import last_finite
from tb_lossdiag.analysis.parameters import Family, family, global_norm, gradient_norm, table_norm
from tb_lossdiag.analysis.spikes import grouped
from tb_lossdiag.diagnosis import settings
from tb_lossdiag.diagnosis.judged import with_judged
from tb_lossdiag.diagnosis.rule import Evidence, Finding, NotEnough, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.records import Doubles, Floats, Steps, Table
from tb_lossdiag.run import Run

_GREW = Text(
    "The global gradient norm rose to {high}, {times} times its earlier level of {low}, from step {first} on; `{layer}` grew most."
)
_STEEP = Text(
    "From step {first} on, the global gradient norm of {high} would change the loss by {times} times its value if every weight moved by 100% along it; `{layer}` has the largest gradient."
)
_BROKE = Text(
    "The global gradient norm rose from {low} to {high}, {times} times as much, up to step {last}; from the next record on the run is not finite. `{layer}` grew most."
)
_ADVICE = Text("""{cause}

- Clip the global norm. {bound}

```python
loss.backward()
writer.clip_grad_norm_(model.parameters(), max_norm={max_norm})
optimizer.step()
```

- {family}
- In recurrent or very deep models: orthogonal initialisation, normalisation, shorter sequences for back-propagation.""")
_LATE = Text(
    "It began during the training, so suspect the learning rate (or a bad stretch of data) before the architecture."
)
_EARLY = Text(
    "It is there from the first records, so suspect initialisation, unscaled inputs or recurrence before the learning rate."
)
_BOUND = Text("The norm before was around {low}.")
_NO_BOUND = Text("There is no calm stretch to take a bound from: start with 1.")
_NEEDS = Text("at least {least} finite gradient norms")
_FAMILIES = {
    Family.SGD: Text("With SGD the step is as large as the gradient: lower the learning rate as well."),
    Family.ADAM: Text("An Adam-like optimizer hides the size but not the direction: lower the learning rate as well."),
    Family.UNKNOWN: Text("Lower the learning rate as well."),
}  # fmt: skip


_JUDGED = Text("gradient norm of all parameters")


@dataclass(frozen=True)
class ExplodingGradient:
    """The gradient, before clipping, is orders of magnitude too large.

    Why it matters: one step along it can undo the training or make the parameters infinite.

    How it decides: either the global gradient norm (L2 over all parameters) is at least `min_growth` times the median of
    everything earlier, for `min_records` records in a row, and the loss didn't fall meanwhile; or it is that much above the
    run's first records right before loss or gradients stop being finite (a record's highest counts); or gradient norm x parameter norm /
    loss, the relative change of the loss per relative change of the weights, is at least `max_steepness` for `min_steep` records
    while the loss has lost less than half of its start. Dimensionless, so a scaled or summed loss doesn't matter.

    An information where growth is back to no more than the first `min_steep` records had and the loss stays within `max_lost` of its start to the end:
    what is nearly solved has gradients near 0, and steps of an Adam-like optimizer do not shrink with them.

    What to try first: clip the global norm at its calm level, lower the learning rate, check initialisation and input scale.

    Guards against: absolute bounds; single spikes; a run that leaves a plateau (loss falls); steps that mixed precision skips.

    References: Pascanu, Mikolov and Bengio 2013 (arXiv 1211.5063); Zhang et al. 2020 (arXiv 1905.11881).
    """

    code: ClassVar[str] = "LD202"
    name: ClassVar[str] = "exploding-gradient"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("The gradient explodes")
    reads: ClassVar[tuple[Quantity, ...]] = (q.GRADIENT_NORM,)
    may_read: ClassVar[tuple[Quantity, ...]] = (
        q.PARAMETER_NORM,
        q.LOSS,
        q.LOSS_NONFINITE,
        q.GRADIENT_NONFINITE,
    )
    explains: ClassVar[tuple[str, ...]] = (
        "LD101", "LD102", "LD103", "LD104", "LD203", "LD206", "LD301", "LD306", "LD523", "LD802",
    )  # fmt: skip
    setting: ClassVar[str] = settings.CLIP

    #: share of the starting loss, 1; a spike below it leaves nine tenths of what was learned
    max_lost: float = 0.1
    #: norm over its own history, 1; leaving a zero-initialised head grows tenfold, batches differ by 3
    min_growth: float = 100.0
    #: records in a row; two can be one bad batch and its echo
    min_records: int = 3
    #: relative change of the loss per relative change of the weights, 1; sound networks stay between 1 and 300
    max_steepness: float = 1e4
    #: records in a row for the steepness, which is large for a moment at many starts
    min_steep: int = 10

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield one finding: growth if there is any, else steepness."""
        table = run[q.GRADIENT_NORM]
        norm = gradient_norm(run)
        good = np.isfinite(norm)
        broke = list(self._broke(run))
        if broke:
            yield from broke
            return
        if good.sum() < self.min_steep:
            raise NotEnough(_NEEDS.format(least=str(self.min_steep)))
        # Records that are not finite are left out: they say nothing about the size before.
        gradient = table if good.all() else _only(table, np.flatnonzero(good))
        loss = curve_of(run, q.LOSS) if q.LOSS in run else None
        found = self._grown(run, gradient, norm[good], loss)
        yield from found or self._steep(run, gradient, norm[good], loss)

    def _broke(self, run: Run) -> Iterator[Finding]:
        """Growth that ends in NaN or infinity, however short; the highest of each record's window counts."""
        end = last_finite(run)
        table = run.highest(q.GRADIENT_NORM)
        rows = np.flatnonzero(table.steps <= end) if end is not None else np.zeros(0, np.int64)
        if len(rows) <= self.min_records:
            return
        norm = run.cached(table_norm, table)[rows]
        infinite = np.isinf(norm)
        norm[infinite] = global_norm(_finite(table.values[rows[infinite]]))
        low, last = float(median(norm[: self.min_records])), norm[-self.min_records :]
        high = float(np.max(last[~np.isnan(last)], initial=0.0))
        recent = float(median(norm[-20:-3])) if len(norm) > 2 * self.min_steep else low
        if high < self.min_growth * max(low, recent) or low <= 0:
            return
        before = median(_finite(table.values[: self.min_records]), axis=0)
        lower = np.flatnonzero(norm < self.min_growth * max(low, recent) / 10)
        first = int(lower[-1]) + 1 if len(lower) else 0
        late = rows[min(first, len(rows) - 1) :]
        grown, whole = _only(table, late), Span(0, len(late) - 1)
        grown = replace(grown, values=_finite(grown.values))
        yield self._finding(run, grown, whole, (_BROKE, low, high, high / low), before)

    def _grown(self, run: Run, gradient: Table, norm: Doubles, loss: Curve | None) -> list[Finding]:
        past = history(norm, self.min_steep)
        grown = grouped((norm >= self.min_growth * past) & (past > 0), self.min_records)
        found = []
        for span in (s for s in grown if s.size >= self.min_records):
            if not _fell(loss, *span.ends(gradient.steps)):
                low, high = float(past[span.first]), float(np.max(norm[span.records]))
                before = median(gradient.values[: span.first], axis=0)
                what = (_GREW, low, high, high / low)
                each = self._finding(run, gradient, span, what, before)
                if not self._costs_nothing(loss, int(gradient.steps[span.first]), norm, high):
                    return [each]
                found.append(replace(each, severity=Severity.INFO))
        return found[:1]

    def _costs_nothing(self, loss: Curve | None, first: int, norm: Doubles, high: float) -> bool:
        """Whether a run that had nearly converged has a gradient of its first records again, and keeps what it learned."""
        if loss is None or not len(loss) or loss.may_be_negative:
            return False
        later = loss.values[loss.steps >= first]
        kept = len(later) > 0 and float(np.max(later)) <= self.max_lost * loss.start
        return bool(kept and high <= float(np.max(norm[: self.min_steep])))

    def _steep(self, run: Run, gradient: Table, norm: Doubles, loss: Curve | None) -> list[Finding]:
        if loss is None or q.PARAMETER_NORM not in run or loss.may_be_negative or not len(loss):
            return []
        known = held(run[q.PARAMETER_NORM], gradient.steps, gradient.columns)
        size = global_norm(known.values.astype(np.float32))[known.rows]
        steepness = norm * size / np.maximum(loss.level_at(gradient.steps), 1e-30)
        unlearned: Bools = loss.fall_at(gradient.steps) < 0.5  # noqa: PLR2004  (half, see "How it decides")
        for span in spans((steepness >= self.max_steepness) & unlearned, self.min_steep):
            times = float(median(steepness[span.records]))
            high = float(np.max(norm[span.records]))
            ones = np.ones(len(gradient.columns))
            return [self._finding(run, gradient, span, (_STEEP, np.nan, high, times), ones)]
        return []

    def _finding(
        self,
        run: Run,
        gradient: Table,
        span: Span,
        what: tuple[Text, float, float, float],
        before: Doubles,
    ) -> Finding:
        text, low, high, times = what
        ends = span.ends(gradient.steps)
        growth = median(gradient.values[span.records], axis=0) / np.maximum(before, 1e-30)
        layer = gradient.columns[int(np.argmax(np.nan_to_num(growth, nan=-1.0)))]
        message = text.format(
            last=str(ends[1]),
            high=short_number(high),
            times=short_number(times),
            low=short_number(low),
            first=str(ends[0]),
            layer=layer,
        )
        bound = self.min_growth * low if np.isfinite(low) else None
        evidence = with_judged(
            Evidence(q.GRADIENT_NORM.name, layer, *ends, high, bound),
            _JUDGED,
            run[q.GRADIENT_NORM].steps,
            run.cached(table_norm, run.highest(q.GRADIENT_NORM)),
            unit=q.GRADIENT_NORM.unit,
        )
        numbers = {"norm": high, "times": times}
        advice = _advice(run, low)
        return Finding(self.code, self.severity, "", (evidence,), message, advice, numbers)


def _only(table: Table, rows: Steps) -> Table:
    """Some records of a table."""
    return replace(
        table, steps=table.steps[rows], walltimes=table.walltimes[rows], values=table.values[rows]
    )


def _finite(norms: Floats) -> Floats:
    """NaN for what is infinite."""
    finite: Floats = np.where(np.isfinite(norms), norms, np.float32(np.nan))
    return finite


def _fell(loss: Curve | None, first: int, last: int) -> bool:
    """Whether the loss fell by a tenth over these steps: then the run leaves a plateau."""
    if loss is None or not len(loss):
        return False
    before, after = loss.fall_at(np.array([first - 1, last + 1], np.int64))
    return bool(after - before >= 0.1 * (1 - before))


def _advice(run: Run, low: float) -> Text:
    calm = np.isfinite(low)
    cause, bound = (_LATE, _BOUND) if calm else (_EARLY, _NO_BOUND)
    kind = _FAMILIES[family(run)]
    bound = bound.format(low=short_number(low))
    most = short_number(low) if calm else "1"
    return _ADVICE.format(cause=cause, bound=bound, family=kind, max_norm=most)
