"""LD407 regulariser-overwhelms."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.burden import Burden, burden
from tb_lossdiag.analysis.curve import curve_of
from tb_lossdiag.analysis.levels import Bools, Span, level, longest, median
from tb_lossdiag.analysis.progress import below_baseline
from tb_lossdiag.analysis.terms import DIVERGENCE, penalties, term_fall, typical_weight, values_of
from tb_lossdiag.analysis.weight_decay import Decay, decay
from tb_lossdiag.diagnosis.rule import Evidence, Finding, NotEnough, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.records import Doubles
from tb_lossdiag.run import Run

_TERM = Text(
    "`{penalty}` asks for {times} times as much as `{data}` (gradient norms {big} and {small}) in {records} decompositions in a row, while `{data}` has lost only {percent}% of its start."
)
_DECAY = Text(
    "Weight decay pulls {times} times as hard as the gradient of the loss ({big} against {small}) in {records} records in a row, while the loss has lost only {percent}% of its start."
)
_SHRUNK = Text(
    "`{penalty}` has fallen from {start} to {end} by step {first}, so hardly anything of the weights is left; {data}."
)
_REGROWN = Text(
    "`{data}` had come down to {best} by step {step} and is at {end} now, {times} times as much, while `{penalty}`, which is most of the loss, went on falling from {start} to {rest}: what was learned is given up for it."
)
_BURDEN = Text(
    "`{penalty}` is {first}% of the loss at the start and {last}% over the last quarter, while `{data}` went from {start} to {end} and stands still there."
)
_NO_FALL = Text("no other term has lost more than {percent}% of its start")
_CONSTANT = Text("the model's answer costs no less than a constant one")
_TERM_ADVICE = Text("""Let the data speak first: lower the weight of `{penalty}` from {weight} to about {less}, or bring it in slowly.

```python
weight = {less} * min(1.0, step / {ramp})
```""")
_DECAY_ADVICE = Text("""Lower `weight_decay` from {weight} to about {less}. With {optimizer} it is added to the gradient; `AdamW` keeps the two apart, so that the same number means something else there.

```python
for group in optimizer.param_groups:
    group["weight_decay"] = {less}
```""")


@dataclass(frozen=True)
class RegulariserOverwhelms:
    """A penalty pulls harder than the data.

    Why it matters: the weights go where the penalty wants them, and what the data say is not learned.

    How it decides: with `decompose`, gradient norm of a penalty (named as one, or moved by no batch) over the largest one of the
    data terms; at least `min_ratio` in `min_checks` decompositions in a row, while that data term has lost less than
    `learned` of its start, then and at the end. Without: weight decay x parameter norm over the gradient norm, over all parameters, for optimizers
    that add the decay to the gradient; at least `min_ratio` in `min_records` records in a row. And by values: a penalty (not a
    KL divergence) down to `max_rest` of its start for `min_records` records, while all data terms lost less than `unlearned` of
    theirs, or while the loss calls cost no less than the best constant answer. Or a penalty that makes up `min_share` of the loss falls on
    to half of what it was when a data term was at its lowest, and that term is `min_regrown` times that low by the end. Or a penalty is
    `min_first` of the loss at the start and `min_last` of it at the end, and the data term keeps `kept` of its start and stands still.
    Dimensionless.

    What to try first: a smaller weight, or one that grows slowly.

    Guards against: the balance at the end of a training, where both are alike (factor 2) and the data term is learned; decoupled
    weight decay; penalties that are large in value but small in gradient.

    References: Ben Braiek and Khomh 2023, TheDeepChecker (TOSEM), "over-regularization"; Loshchilov and Hutter 2019
    (arXiv 1711.05101).
    """

    code: ClassVar[str] = "LD407"
    name: ClassVar[str] = "regulariser-overwhelms"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("Regularisation overwhelms the data")
    reads: ClassVar[tuple[Quantity, ...]] = (q.LOSS,)
    may_read: ClassVar[tuple[Quantity, ...]] = (
        q.TERM_GRADIENT_NORM,
        q.LOSS_TERM,
        q.LOSS_WEIGHT,
        q.WEIGHT_DECAY,
        q.PARAMETER_NORM,
        q.GRADIENT_NORM,
        q.CALL_VALUE,
        q.CALL_BASELINE,
        q.EXTRA,
        q.CALL_TARGET_MEAN,
        q.CALL_TARGET_STD,
    )
    explains: ClassVar[tuple[str, ...]] = ("LD104", "LD205", "LD401", "LD402", "LD601", "LD705")

    #: gradient of the penalty over that of the data, 1; at the optimum both are alike
    min_ratio: float = 2.0
    #: decompositions in a row
    min_checks: int = 5
    #: records in a row
    min_records: int = 20
    #: share of the start, 1; a term that has lost half of it is being learned
    learned: float = 0.5
    #: share of a penalty's start that is left, 1; of squared weights a hundredth means a tenth of their size
    max_rest: float = 0.01
    #: share of the start of a data term, 1; who has won a tenth still has weights to do it with
    unlearned: float = 0.1
    #: level of a data term at the end over its lowest one, 1; noise of a level is a few per cent
    min_regrown: float = 2.0
    #: share of the penalty in the sum of both, 1; then the penalty sets the direction
    min_share: float = 0.8
    #: the same share over the first tenth, 1; a penalty that holds back rightly begins below the data
    min_first: float = 0.9
    #: over the last quarter, 1; what is left is still more than the data asks for
    min_last: float = 0.5
    #: share of a data term's start, 1; who learns well keeps a tenth
    kept: float = 0.4
    #: share of its start that a data term loses over the last quarter at most, 1
    still: float = 0.05

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding per penalty, or one for weight decay."""
        by = decay(run, self.min_records)
        pulls = q.TERM_GRADIENT_NORM in run and len(run[q.TERM_GRADIENT_NORM]) >= self.min_checks
        values = q.LOSS_TERM in run and len(run[q.LOSS_TERM]) >= 2 * self.min_records
        if not pulls and not values and by is None:
            raise NotEnough(_needs(self.min_checks, 2 * self.min_records))
        found = [*self._terms(run)] if pulls else []
        if values and not found:
            found += self._shrunk(run) or self._regrown(run) or self._burdened(run)
        yield from found
        if by is not None:
            yield from self._decayed(run, by)

    def _terms(self, run: Run) -> Iterator[Finding]:
        table = run[q.TERM_GRADIENT_NORM]
        names = table.columns
        holding = penalties(run, names)
        data = [n for n in names if n not in holding and np.nanmax(table.column(n), initial=0) > 0]
        if not data:
            return
        largest = max(data, key=lambda n: float(median(table.column(n))))
        small = table.column(largest).astype(np.float64)
        unlearned = ~(term_fall(run, largest, table.steps) >= self.learned)
        if not unlearned[-1]:
            return
        for name in holding:
            big = table.column(name).astype(np.float64)
            span = longest(
                (big >= self.min_ratio * small) & (small > 0) & unlearned, self.min_checks
            )
            if span is not None:
                yield self._term_finding(run, (name, largest), span, (big, small))

    def _term_finding(
        self, run: Run, names: tuple[str, str], span: Span, sizes: tuple[Doubles, Doubles]
    ) -> Finding:
        penalty, data = names
        table = run[q.TERM_GRADIENT_NORM]
        fall = float(term_fall(run, data, table.steps[[span.last]])[0])
        weight = typical_weight(run, penalty)
        numbers, words = _sizes(span, sizes, fall)
        message = _TERM.format(penalty=penalty, data=data, **words)
        less = float(f"{weight / numbers['ratio'] / 3:.1g}")
        advice = _TERM_ADVICE.format(
            penalty=penalty,
            weight=short_number(weight),
            less=short_number(less),
            ramp=str(max(100, int(table.steps[-1]) // 4)),
        )
        ends = span.ends(table.steps)
        evidence = (
            Evidence(q.TERM_GRADIENT_NORM.name, penalty, *ends, numbers["ratio"], self.min_ratio),
            Evidence(q.TERM_GRADIENT_NORM.name, data, *ends),
        )
        return Finding(self.code, self.severity, penalty, evidence, message, advice, numbers)

    def _decayed(self, run: Run, by: Decay) -> Iterator[Finding]:
        loss = curve_of(run, q.LOSS)
        if not len(loss):
            return
        fall = loss.fall_at(by.steps)
        if fall[-1] >= self.learned:
            return
        strong: Bools = (by.pull >= self.min_ratio * by.gradient) & (by.gradient > 0)
        strong &= np.isfinite(by.pull) & (fall < self.learned)
        span = longest(strong, self.min_records)
        if span is not None:
            yield self._decay_finding(run, span, by, float(fall[span.last]))

    def _decay_finding(self, run: Run, span: Span, by: Decay, fall: float) -> Finding:
        numbers, words = _sizes(span, (by.pull, by.gradient), fall)
        less = float(f"{by.rate / numbers['ratio'] / 3:.1g}")
        advice = _DECAY_ADVICE.format(
            weight=short_number(by.rate), less=short_number(less), optimizer=run.facts["optimizer"]
        )
        column = run[q.WEIGHT_DECAY].columns[0]
        ends = span.ends(by.steps)
        evidence = Evidence(q.WEIGHT_DECAY.name, column, *ends, numbers["ratio"], self.min_ratio)
        message = _DECAY.format(**words)
        return Finding(self.code, self.severity, "", (evidence,), message, advice, numbers)

    def _regrown(self, run: Run) -> list[Finding]:
        """Penalties of the weights for which a data term is given up again."""
        found = (self._given_up(run, penalty, data) for penalty, data in _pairs(run))
        return [finding for finding in found if finding is not None]

    def _burdened(self, run: Run) -> list[Finding]:
        """Penalties of the weights that are most of the loss throughout, with a data term that stands still half learned."""
        found = ((*pair, burden(run, *pair)) for pair in _pairs(run))
        return [
            self._burden_finding(run, penalty, data, load)
            for penalty, data, load in found
            if load is not None
            and load.first >= self.min_first
            and load.last >= self.min_last
            and load.end >= self.kept * load.start
            and load.late_fall <= self.still
        ]

    def _burden_finding(self, run: Run, penalty: str, data: str, load: Burden) -> Finding:
        steps = run[q.LOSS_TERM].steps
        words = {"first": f"{100 * load.first:.0f}", "last": f"{100 * load.last:.0f}"}
        words |= {"start": short_number(load.start), "end": short_number(load.end)}
        message = _BURDEN.format(penalty=penalty, data=data, **words)
        ends = int(steps[0]), int(steps[-1])
        evidence = (
            Evidence(q.LOSS_TERM.name, penalty, *ends),
            Evidence(q.LOSS_TERM.name, data, *ends, load.end, self.kept * load.start),
        )
        advice, numbers = self._less(run, penalty), load._asdict()
        return Finding(self.code, self.severity, penalty, evidence, message, advice, numbers)

    def _given_up(self, run: Run, penalty: str, data: str) -> Finding | None:
        steps = run[q.LOSS_TERM].steps
        big, small = (level(values_of(run, n), 2 * self.min_records) for n in (penalty, data))
        lowest = int(np.nanargmin(small)) if np.isfinite(small).any() else 0
        best, end, start, rest = small[lowest], small[-1], big[lowest], big[-1]
        share = typical_weight(run, penalty) * big / (typical_weight(run, penalty) * big + small)
        stays = len(steps) - lowest >= self.min_records
        if not (stays and best > 0 and rest <= start / 2 and end >= self.min_regrown * best):
            return None
        if not median(share[lowest:]) >= self.min_share:
            return None
        numbers = {"best": best, "end": end, "start": start, "rest": rest, "times": end / best}
        words = {name: short_number(float(value)) for name, value in numbers.items()}
        message = _REGROWN.format(penalty=penalty, data=data, step=str(int(steps[lowest])), **words)
        ends = int(steps[lowest]), int(steps[-1])
        evidence = (
            Evidence(q.LOSS_TERM.name, data, *ends, float(end / best), self.min_regrown),
            Evidence(q.LOSS_TERM.name, penalty, *ends),
        )
        advice = self._less(run, penalty)
        return Finding(self.code, self.severity, penalty, evidence, message, advice, numbers)

    def _less(self, run: Run, name: str) -> Text:
        weight = typical_weight(run, name)
        return _TERM_ADVICE.format(
            penalty=name,
            weight=short_number(weight),
            less=short_number(float(f"{weight / 100:.1g}")),
            ramp=str(max(100, int(run[q.LOSS_TERM].steps[-1]) // 4)),
        )

    def _shrunk(self, run: Run) -> list[Finding]:
        """Penalties of the weights that have fallen to nearly nothing with the data not learned."""
        table, at = run[q.LOSS_TERM], run[q.LOSS_TERM].steps[-1:]
        names = penalties(run, table.columns)
        data = [n for n in table.columns if n not in names]
        falls = [float(term_fall(run, n, at)[0]) for n in data]
        # A term may fall far from a bad start and still not know more than a constant.
        unlearned = falls and max(np.nan_to_num(falls)) < self.unlearned
        if not falls or not (unlearned or below_baseline(run) is False):
            return []
        why = (
            _NO_FALL.format(percent=short_number(100 * max(0.0, *falls)))
            if unlearned
            else _CONSTANT
        )
        found = []
        for name in (n for n in names if not DIVERGENCE.search(n)):
            # What goes on falling below zero has not come to nothing.
            rest = 1 - term_fall(run, name, table.steps)
            positive = table.column(name)[:3].min() > 0
            gone = np.flatnonzero((np.abs(rest) <= self.max_rest) & positive)
            if len(gone) >= self.min_records and gone[-1] == len(table) - 1:
                found.append(self._shrunk_finding(run, name, int(gone[0]), why))
        return found

    def _shrunk_finding(self, run: Run, name: str, first: int, data: Text) -> Finding:
        table = run[q.LOSS_TERM]
        values = table.column(name)
        start, end = float(median(values[:3])), float(median(values[-3:]))
        words = {"start": short_number(start), "end": short_number(end)}
        words |= {"penalty": name, "first": str(int(table.steps[first]))}
        message = _SHRUNK.format(data=data, **words)
        advice = self._less(run, name)
        ends = int(table.steps[first]), int(table.steps[-1])
        evidence = Evidence(q.LOSS_TERM.name, name, *ends, end, self.max_rest * start)
        numbers = {"start": start, "end": end}
        return Finding(self.code, self.severity, name, (evidence,), message, advice, numbers)


def _pairs(run: Run) -> list[tuple[str, str]]:
    """Each penalty of the weights with each term of the data."""
    names = run[q.LOSS_TERM].columns
    held = [n for n in penalties(run, names) if not DIVERGENCE.search(n)]
    return [(penalty, data) for penalty in held for data in names if data not in held]


def _needs(checks: int, records: int) -> Text:
    return Text(
        "{checks} decompositions or {records} records of the terms, or an optimizer with weight_decay"
    ).format(checks=checks, records=records)


def _sizes(
    span: Span, sizes: tuple[Doubles, Doubles], fall: float
) -> tuple[dict[str, float], dict[str, str]]:
    big, small = (float(median(part[span.records])) for part in sizes)
    numbers = {"ratio": big / small, "penalty": big, "data": small}
    words = {
        "times": short_number(big / small),
        "big": short_number(big),
        "small": short_number(small),
        "records": str(span.size),
        "percent": short_number(100 * max(fall, 0.0)) if np.isfinite(fall) else "0",
    }
    return numbers, words
