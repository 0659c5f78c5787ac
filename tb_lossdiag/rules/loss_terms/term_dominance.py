"""LD401 term-dominance."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.baselines import baselines
from tb_lossdiag.analysis.levels import Bools, Span, covered, level, longest, median, noise, spans
from tb_lossdiag.analysis.reinforcement import is_reinforcement
from tb_lossdiag.analysis.summed_terms import summed_over
from tb_lossdiag.analysis.terms import is_penalty
from tb_lossdiag.diagnosis.judged import with_judged
from tb_lossdiag.diagnosis.rule import Evidence, Finding, NotEnough, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.records import Doubles, Steps, Table
from tb_lossdiag.run import Run

_MESSAGE = Text("`{term}` makes up {percent}% of the loss over {records} records{starved}.")
_BY_GRADIENT = Text(
    "`{term}` gives {percent}% of the gradient over {records} decompositions{starved}."
)
_STARVED = Text(
    ", while `{name}`, which is to be learned as well, doesn't improve ({before} before, {after} after)"
)
_SUMMED = Text(
    ", and it is a sum over the {samples} samples of a batch: as a mean it would make up {less}%"
)
_NOTHING = Text("")
_ADVICE = Text("""The optimizer sees almost only `{term}`. If the other terms are meant to be learned as well, bring the contributions to one order of magnitude; with the levels of this run:

```python
weights = dict({weights})
```

A main loss with a small regulariser beside it looks the same and is fine: then leave it.""")


_JUDGED = Text("share of `{term}` in the loss")
_JUDGED_GRADIENT = Text("share of `{term}` in the gradient")


class _Big(NamedTuple):
    """The term that dominates: its column, its share, records that show it, how to say it, and its share at each record."""

    column: int
    share: float
    records: int
    text: Text
    series: tuple[Text, Steps, Doubles]


@dataclass(frozen=True)
class TermDominance:
    """One term is nearly the whole loss.

    Why it matters: what the other terms ask for is drowned; they are computed and not learned.

    How it decides: contribution = weight x value; share = |contribution| over the sum of all |contributions|. A term's share is
    above `min_share` for at least `min_records` records in a row that make up `min_stretch` of the run, with at least two terms
    of non-zero weight. With `decompose` gradients decide: the share of the terms' gradient norms must be above `min_share` in
    at least `min_checks` decompositions in a row, which make up `min_stretch` of them. It is a warning if another term, whose weight is at least half as large and which varies from batch to
    batch, stays within `starved_change` of where it began; of any weight, where a loss over classes says that this is what guessing costs
    (within `guess`). In reinforcement learning it is one as well where the term is the value of a loss call that sums over a batch of
    `min_samples` or more, and as a mean would not be above `min_share`. Else an information. Dimensionless.

    What to try first: weights that bring the contributions to one order of magnitude.

    Guards against: a large term without a gradient (where gradients are known); main loss plus penalties or a divergence (silent unless starved) or another small term (information only); terms switched off by a zero weight; short phases.

    References: Kendall, Gal and Cipolla 2018 (arXiv 1705.07115); Chen et al. 2018, GradNorm (arXiv 1711.02257).
    """

    code: ClassVar[str] = "LD401"
    name: ClassVar[str] = "term-dominance"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("One loss term drowns the others")
    reads: ClassVar[tuple[Quantity, ...]] = (q.LOSS_TERM, q.LOSS_WEIGHT)
    may_read: ClassVar[tuple[Quantity, ...]] = (
        q.TERM_GRADIENT_NORM, q.LOSS, q.STEPS, q.CALL_VALUE, q.CALL_BASELINE, q.CALL_OUTPUTS,
        q.CALL_SAMPLES, q.CALL_SUMMED, q.CALL_IGNORED, q.CALL_MAJORITY, q.EXTRA, q.CALL_TARGET_MEAN, q.CALL_TARGET_STD,
    )  # fmt: skip
    explains: ClassVar[tuple[str, ...]] = ("LD523",)

    #: share of the sum of absolute contributions, 1; the rest is within batch noise then
    min_share: float = 0.95
    #: relative difference of the loss from the sum of the terms, 1; rounding, or a term that nobody named
    max_difference: float = 0.1
    #: records in a row; a start-up phase is shorter
    min_records: int = 20
    #: decompositions in a row
    min_checks: int = 5
    #: share of all records, 1; most of the run
    min_stretch: float = 0.5
    #: relative change of the starved term's level, 1; less isn't learning
    starved_change: float = 0.1
    #: noise from record to record over the level, 1; a penalty on the weights is smoother, a data term never is
    min_noise: float = 1e-3
    #: samples; the sum over a few hardly differs from a mean
    min_samples: float = 4
    #: relative distance from the loss of guessing, 1; a batch's noise
    guess: float = 0.05

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding for the term that dominates longest."""
        value, weight = run.aligned(q.LOSS_TERM, q.LOSS_WEIGHT)
        if self._of_players(run, value, weight):
            raise NotEnough(
                Text("terms of one loss: those of several models' losses are never added")
            )
        parts = np.abs(value.values.astype(np.float64) * weight.values)
        parts[~np.isfinite(parts)] = np.nan
        several = ((weight.values != 0) & ~np.isnan(parts)).sum(axis=1) >= 2  # noqa: PLR2004
        if several.sum() < self.min_records:
            least = self.min_records
            raise NotEnough(
                Text("at least {least} records of two or more terms whose weight isn't 0").format(
                    least=least
                )
            )
        share = parts / np.nansum(parts, axis=1, keepdims=True)
        by_gradient = self._by_gradient(run)
        if by_gradient is None:
            yield from self._by_value(run, value, weight, share, several)
        for column, steps, typical, shares in by_gradient or ():
            rows = np.searchsorted(value.steps, [steps[0], steps[-1] + 1]).tolist()
            span = Span(rows[0], max(rows[1] - 1, rows[0]))
            if column in value.columns and span.last < len(value):
                shown = _JUDGED_GRADIENT, run[q.TERM_GRADIENT_NORM].steps, shares
                what = _Big(value.columns.index(column), typical, len(steps), _BY_GRADIENT, shown)
                yield from self._findings(run, value, weight, span, what)

    def _of_players(self, run: Run, value: Table, weight: Table) -> bool:
        """Whether several models are watched and no loss is the sum of the terms: each is a loss of its own."""
        if q.STEPS not in run or len(run[q.STEPS].columns) < 2:  # noqa: PLR2004
            return False
        if q.LOSS not in run:
            return True
        total = np.nansum(value.values.astype(np.float64) * weight.values, axis=1)
        said = run[q.LOSS].at(value.steps)[:, 0].astype(np.float64)
        return (
            not median(np.abs(total - said) / np.maximum(np.abs(said), 1e-30)) < self.max_difference
        )

    def _by_value(
        self, run: Run, value: Table, weight: Table, share: Doubles, several: Bools
    ) -> Iterator[Finding]:
        for index in range(len(value.columns)):
            found = spans((share[:, index] > self.min_share) & several, self.min_records)
            span = max(found, key=lambda s: covered(s, value.steps), default=None)
            if span is not None and covered(span, value.steps) >= self.min_stretch:
                typical = float(median(share[span.records, index]))
                shown = _JUDGED, value.steps, share[:, index]
                what = _Big(index, typical, span.size, _MESSAGE, shown)
                yield from self._findings(run, value, weight, span, what)

    def _by_gradient(self, run: Run) -> list[tuple[str, Steps, float, Doubles]] | None:
        """Terms that give nearly the whole gradient, with the steps, their share there and at all; None where that isn't known."""
        if q.TERM_GRADIENT_NORM not in run or len(run[q.TERM_GRADIENT_NORM]) < self.min_checks:
            return None
        table = run[q.TERM_GRADIENT_NORM]
        norms = np.where(np.isfinite(table.values), table.values, np.nan).astype(np.float64)
        # Batches differ: the level of a few decompositions decides.
        raw = norms / np.nansum(norms, axis=1, keepdims=True)
        share = np.stack([level(column, 3) for column in raw.T], axis=1)
        several = (~np.isnan(norms)).sum(axis=1) >= 2  # noqa: PLR2004
        least = max(self.min_checks, int(self.min_stretch * len(table)))
        found = []
        for index, name in enumerate(table.columns):
            span = longest((share[:, index] > self.min_share) & several, least)
            if span is not None:
                typical = float(median(share[span.records, index]))
                found.append((name, table.steps[span.records], typical, share[:, index]))
        return found

    def _findings(
        self, run: Run, value: Table, weight: Table, span: Span, big: _Big
    ) -> Iterator[Finding]:
        index, share = big.column, big.share
        term, ends = value.columns[index], span.ends(value.steps)
        starved = self._starved((value, weight), span, index, _guesses(run))
        others = [n for n in value.columns if n != term]
        if not starved and all(is_penalty(n, value.column(n).astype(np.float64)) for n in others):
            return  # a main loss and what keeps it in bounds
        summed = self._summed(run, term, share)
        message = _message(term, big, starved, summed)
        name, steps, shares = big.series
        piece = Evidence(q.LOSS_TERM.name, term, *ends, share, self.min_share)
        evidence = [with_judged(piece, name.format(term=term), steps, shares)]
        evidence += [Evidence(q.LOSS_TERM.name, name, *ends) for name, _, _ in starved[:1]]
        severity = self.severity if starved or summed is not _NOTHING else Severity.INFO
        advice = _ADVICE.format(term=term, weights=_weights(value, weight, span))
        yield Finding(self.code, severity, term, tuple(evidence), message, advice, {"share": share})

    def _summed(self, run: Run, term: str, share: float) -> Text:
        """Whether an agent's term dominates because it is a sum: the others of a policy's loss are means over the same samples."""
        samples = summed_over(run, term) if is_reinforcement(run) else 1.0
        less = share / samples / (share / samples + 1 - share)
        if samples < self.min_samples or less > self.min_share:
            return _NOTHING
        return _SUMMED.format(samples=short_number(samples), less=f"{100 * less:.0f}")

    def _starved(
        self, terms: tuple[Table, Table], span: Span, big: int, guesses: Sequence[float]
    ) -> list[tuple[str, float, float]]:
        """Name, level before and after of the terms that should be learned as well and are not."""
        value, weight = terms
        weights = np.abs(median(weight.values[span.records], axis=0))
        quarter = max(1, span.size // 4)
        found = []
        for index, name in enumerate(value.columns):
            values = value.values[span.records, index]
            before, after = float(median(values[:quarter])), float(median(values[-quarter:]))
            levels = level(values, max(5, span.size // 10))[span.size // 10 :]
            flat = np.ptp(levels) <= self.starved_change * abs(before)
            varies = noise(values) >= self.min_noise * abs(before) > 0
            guessed = any(abs(after - guess) <= self.guess * guess for guess in guesses)
            alike = weights[index] >= weights[big] / 2 or guessed
            if index != big and flat and varies and alike:
                found.append((name, before, after))
        return found


def _guesses(run: Run) -> list[float]:
    """What guessing costs in each loss over classes that was seen."""
    if q.CALL_VALUE not in run or q.CALL_BASELINE not in run:
        return []
    return [b.uniform for b in baselines(run) if b.classes]


def _message(term: str, big: _Big, starved: list[tuple[str, float, float]], summed: Text) -> Text:
    words = {"term": term, "percent": f"{100 * big.share:.1f}", "records": str(big.records)}
    more = summed
    if starved:
        name, before, after = starved[0]
        more = _STARVED.format(name=name, before=short_number(before), after=short_number(after))
    return big.text.format(starved=more, **words)


def _weights(value: Table, weight: Table, span: Span) -> str:
    """Weights that give all terms the contribution of the smallest weighted one's neighbour: the middle one."""
    levels = np.abs(median(value.values[span.records], axis=0))
    on = (median(np.abs(weight.values[span.records]), axis=0) > 0) & (levels > 0)
    named = [(name, level) for name, level, ok in zip(value.columns, levels, on, strict=True) if ok]
    target = float(np.exp(np.mean([np.log(level) for _, level in named]))) if named else 1.0
    pairs = [f'("{name}", {short_number(target / level)})' for name, level in named]
    return f"[{', '.join(pairs)}]"
