"""LD407 regulariser-overwhelms."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.burden import burden
from tb_lossdiag.analysis.curve import curve_of
from tb_lossdiag.analysis.given_up import given_up, held, shrunk
from tb_lossdiag.analysis.levels import Bools, Span, longest, median
from tb_lossdiag.analysis.terms import penalties, term_fall
from tb_lossdiag.analysis.weight_decay import Decay, decay
from tb_lossdiag.diagnosis.rule import Evidence, Finding, NotEnough, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.records import Doubles, Steps
from tb_lossdiag.rules.loss_terms.penalty_values import (
    Said,
    burdened,
    less,
    regrown,
    shrunken,
    unlearned,
)
from tb_lossdiag.run import Run

_TERM = Text(
    "`{penalty}` asks for {times} times as much as `{data}` (gradient norms {big} and {small}) in {records} decompositions in a row, while `{data}` has lost only {percent}% of its start."
)
_DECAY = Text(
    "Weight decay pulls {times} times as hard as the gradient of the loss ({big} against {small}) in {records} records in a row, while the loss has lost only {percent}% of its start."
)
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
    that add the decay to the gradient; at least `min_ratio` in `min_checks` records in a row, which stand for `min_records` steps. And by values: a penalty (not a
    KL divergence) down to `max_rest` of its start for `min_records` records, while all data terms lost less than `unlearned` of
    theirs, or while the loss calls cost no less than the best constant answer. Or a penalty that makes up `min_share` of the loss falls on
    to half of what it was when a data term was at its lowest, which is `learned` below its start at least, and that term is `min_regrown` times that low by the end. Or a penalty is
    `min_first` of the loss at the start and `min_last` of it at the end, and the data term keeps `kept` of its start, but is no higher than `max_risen` times it, and stands still.
    Dimensionless.

    What to try first: a smaller weight, or one that grows slowly.

    Guards against: the balance at the end of a training, where both are alike (factor 2) and the data term is learned; decoupled
    weight decay; penalties that are large in value but small in gradient; an equation's residual, which begins at its lowest, since a net that says nothing breaks no
    equation.

    References: Ben Braiek and Khomh 2023, TheDeepChecker (TOSEM), "over-regularization"; Loshchilov and Hutter 2019
    (arXiv 1711.05101).
    """

    code: ClassVar[str] = "LD407"
    name: ClassVar[str] = "regulariser-overwhelms"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("Regularisation overwhelms the data")
    reads: ClassVar[tuple[Quantity, ...]] = (q.LOSS,)
    may_read: ClassVar[tuple[Quantity, ...]] = (
        q.TERM_GRADIENT_NORM, q.LOSS_TERM, q.LOSS_WEIGHT, q.WEIGHT_DECAY, q.PARAMETER_NORM, q.GRADIENT_NORM, q.CALL_VALUE,
        q.CALL_BASELINE, q.EXTRA, q.CALL_TARGET_MEAN, q.CALL_TARGET_STD,
    )  # fmt: skip
    explains: ClassVar[tuple[str, ...]] = (
        "LD104",
        "LD205",
        "LD401",
        "LD402",
        "LD523",
        "LD601",
        "LD705",
    )

    #: gradient of the penalty over that of the data, 1; at the optimum both are alike
    min_ratio: float = 2.0
    #: decompositions in a row
    min_checks: int = 5
    #: records in a row, or steps that they stand for
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
    #: times its start, 1; three noisy batches make a start
    max_risen: float = 1.25

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding per penalty, or one for weight decay."""
        by = decay(run, self.min_checks)
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
            strong = (big >= self.min_ratio * small) & (small > 0) & unlearned
            span = longest(strong, self.min_checks)
            if span is not None:
                yield self._term_finding(run, (name, largest), span, (big, small))

    def _term_finding(
        self, run: Run, names: tuple[str, str], span: Span, sizes: tuple[Doubles, Doubles]
    ) -> Finding:
        penalty, data = names
        table = run[q.TERM_GRADIENT_NORM]
        fall = float(term_fall(run, data, table.steps[[span.last]])[0])
        numbers, words = _sizes(span, sizes, fall)
        ends = span.ends(table.steps)
        evidence = (
            Evidence(q.TERM_GRADIENT_NORM.name, penalty, *ends, numbers["ratio"], self.min_ratio),
            Evidence(q.TERM_GRADIENT_NORM.name, data, *ends),
        )
        message = _TERM.format(penalty=penalty, data=data, **words)
        advice = less(run, penalty, 3 * numbers["ratio"], int(table.steps[-1]))
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
        span = longest(strong, self.min_checks)
        if span is not None and span.size * _apart(by.steps) >= self.min_records:
            yield self._decay_finding(run, span, by, float(fall[span.last]))

    def _decay_finding(self, run: Run, span: Span, by: Decay, fall: float) -> Finding:
        numbers, words = _sizes(span, (by.pull, by.gradient), fall)
        fewer = float(f"{by.rate / numbers['ratio'] / 3:.1g}")
        advice = _DECAY_ADVICE.format(
            weight=short_number(by.rate), less=short_number(fewer), optimizer=run.facts["optimizer"]
        )
        column = run[q.WEIGHT_DECAY].columns[0]
        ends = span.ends(by.steps)
        evidence = Evidence(q.WEIGHT_DECAY.name, column, *ends, numbers["ratio"], self.min_ratio)
        message = _DECAY.format(**words)
        return Finding(self.code, self.severity, "", (evidence,), message, advice, numbers)

    def _regrown(self, run: Run) -> list[Finding]:
        """Penalties of the weights for which a data term is given up again."""
        found = ((*pair, given_up(run, *pair, 2 * self.min_records)) for pair in _pairs(run))
        return [
            self._by_values(run, regrown(run, (penalty, data), course, self.min_regrown))
            for penalty, data, course in found
            if course.records >= self.min_records
            and 0 < course.best <= (1 - self.learned) * course.first
            and course.rest <= course.start / 2
            and course.end >= self.min_regrown * course.best
            and course.share >= self.min_share
        ]

    def _burdened(self, run: Run) -> list[Finding]:
        """Penalties of the weights that are most of the loss throughout, with a data term that stands still half learned."""
        found = ((*pair, burden(run, *pair)) for pair in _pairs(run))
        return [
            self._by_values(run, burdened(run, (penalty, data), load, self.kept))
            for penalty, data, load in found
            if load is not None
            and load.first >= self.min_first
            and load.last >= self.min_last
            and load.end >= self.kept * load.start
            and load.late_fall <= self.still
            and load.end <= self.max_risen * load.start
        ]

    def _shrunk(self, run: Run) -> list[Finding]:
        """Penalties of the weights that have fallen to nearly nothing with the data not learned."""
        why = unlearned(run, self.unlearned)
        if why is None:
            return []
        found = ((name, shrunk(run, name, self.max_rest)) for name in held(run))
        return [
            self._by_values(run, shrunken(run, name, course, (why, self.max_rest)))
            for name, course in found
            if course is not None and course.records >= self.min_records
        ]

    def _by_values(self, run: Run, said: Said) -> Finding:
        advice = less(run, said.penalty, 100, int(run[q.LOSS_TERM].steps[-1]))
        message, evidence, numbers = said.message, said.evidence, said.numbers
        return Finding(self.code, self.severity, said.penalty, evidence, message, advice, numbers)


def _pairs(run: Run) -> list[tuple[str, str]]:
    """Each penalty of the weights with each term of the data."""
    holding = held(run)
    data = [name for name in run[q.LOSS_TERM].columns if name not in holding]
    return [(penalty, name) for penalty in holding for name in data]


def _apart(steps: Steps) -> float:
    """Steps from one record to the next."""
    return float(np.median(np.diff(steps)))


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
