"""LD402 term-collapse."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.levels import Bools, Span, level, spans
from tb_lossdiag.analysis.terms import DIVERGENCE
from tb_lossdiag.diagnosis.rule import Evidence, Finding, NotEnough, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.records import Doubles, Table
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "`{term}` fell from {before} below {bound} by step {first} and stays below for {records} records, at {after} in the end, while the other terms keep {rest}% of their size."
)
_UNUSED = Text(
    "`{term}` is {after} nats, {share}% of `{other}`, since step {first} ({records} records): the code has never carried anything worth the name."
)
_KL_ADVICE = Text("""This is posterior collapse: the code carries no information, and the decoder has learned to do without it.

- Anneal the weight of `{term}` from 0 over the first part of the training, or give it free bits, so that being informative costs nothing at first.

```python
beta = min(1.0, step / {anneal})
kl = kl_per_dimension.clamp_min(0.1).sum()  # free bits
loss = reconstruction + beta * kl
```

- Weaken the decoder (dropout on its inputs, less autoregressive context).""")
_ADVICE = Text("""Find out whether `{term}` is solved or cheated:

- solved (a constraint that is met, an easy task): nothing to do, it costs only time;
- cheated: a trivial solution (a constant output, an empty mask, a zero embedding) also makes it vanish. Look at the outputs it judges; lower its weight at first, or forbid the trivial solution.""")


_FALLING = 0.1
"""Of the highest level; from there on, what follows may be the fall's doing."""
_RECONSTRUCTION = re.compile(r"(^|[^a-z])rec(on\w*)?([^a-z]|$)", re.IGNORECASE)
"""Names of what an autoencoder's decoder is judged by."""


@dataclass(frozen=True)
class TermCollapse:
    """A loss term falls to nothing while the others stay.

    Why it matters: a term is rarely solved a thousand times better than the rest. More often the model found a trivial way to
    satisfy it; for a KL term this is posterior collapse.

    How it decides: level = median of 5 records in which the term's weight isn't 0. It is at most `max_rest` of its highest earlier
    level for `min_records` records in a row up to the end, while the other contributions together keep at least `others_stay`
    of theirs. A warning for terms named as a KL divergence, an information for others. Dimensionless. A KL divergence beside a
    term named as a reconstruction also counts when it was small from the start: at most `max_nats` and `max_share` of that term in
    the second half of the run.

    What to try first: anneal the weight of a KL term or give it free bits; look at what the term judges.

    Guards against: annealing (records of weight 0 don't count); divergences of other kinds (a policy from its last version, a
    student from its teacher), which are meant to be small; a run in which every term converges; constraints that are met
    (information only).

    References: Bowman et al. 2016 (arXiv 1511.06349); Kingma et al. 2016, free bits (arXiv 1606.04934); Lucas et al. 2019
    (arXiv 1911.02469).
    """

    code: ClassVar[str] = "LD402"
    name: ClassVar[str] = "term-collapse"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("A loss term collapses")
    reads: ClassVar[tuple[Quantity, ...]] = (q.LOSS_TERM, q.LOSS_WEIGHT)
    may_read: ClassVar[tuple[Quantity, ...]] = ()
    explains: ClassVar[tuple[str, ...]] = ("LD401", "LD701")

    #: level over highest earlier level, 1; three orders of magnitude are beyond what training wins
    max_rest: float = 1e-3
    #: records in a row up to the end; a dip is shorter
    min_records: int = 20
    #: contributions of the others over theirs at the term's highest level, 1; below, the whole loss converges
    others_stay: float = 0.1
    #: nats; to tell two equally likely things apart takes ln 2 = 0.69
    max_nats: float = 0.1
    #: of the reconstruction, 1; where both are divided by the number of pixels, working models have 0.05 to 0.5
    max_share: float = 0.01

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding per collapsed term."""
        value, weight = run.aligned(q.LOSS_TERM, q.LOSS_WEIGHT)
        parts = np.abs(value.values.astype(np.float64) * weight.values)
        judged = False
        for index in range(len(value.columns)):
            on = (weight.values[:, index] != 0) & np.isfinite(parts[:, index])
            if on.sum() >= self.min_records + 5:
                judged = True
                rest = np.where(np.isfinite(parts), parts, 0.0).sum(axis=1)[on] - parts[on, index]
                found = list(self._judge(value, on, index, rest))
                yield from found or self._never_used(value, on, index)
        if not judged:
            least = self.min_records + 5
            raise NotEnough(
                Text("at least {least} records of a term whose weight isn't 0").format(least=least)
            )

    def _judge(self, value: Table, on: Bools, index: int, rest: Doubles) -> Iterator[Finding]:
        levels = level(np.abs(value.values[on, index]), 5)
        highest = np.maximum.accumulate(levels)
        found = spans(levels <= self.max_rest * highest, self.min_records)
        if not found or found[-1].last != len(levels) - 1 or highest[-1] <= 0:
            return
        top, others = int(np.argmax(levels)), level(rest, 5)
        stay = float(others[-1] / max(others[top], 1e-30))
        if stay >= self.others_stay and others[-1] > 0:
            numbers = {"before": float(highest[-1]), "after": float(levels[-1]), "others": stay}
            begin = int(np.flatnonzero(levels > _FALLING * highest[-1])[-1]) + 1
            yield self._finding(value.columns[index], (begin, found[-1]), value.steps[on], numbers)

    def _never_used(self, value: Table, on: Bools, index: int) -> Iterator[Finding]:
        """A divergence that has been next to nothing beside a reconstruction all along."""
        term = value.columns[index]
        others = [name for name in value.columns if _RECONSTRUCTION.search(name)]
        if not DIVERGENCE.search(term) or not others:
            return
        late = slice(int(on.sum()) // 2, None)
        steps, levels = value.steps[on][late], level(np.abs(value.values[on, index]), 5)[late]
        beside = level(np.abs(value.column(others[0])[on].astype(np.float64)), 5)[late]
        small = (levels <= self.max_nats) & (levels <= self.max_share * beside)
        if len(levels) >= self.min_records and small.all():
            after, share = float(levels[-1]), float(levels[-1] / beside[-1])
            message = _UNUSED.format(
                term=term,
                other=others[0],
                after=short_number(after),
                share=short_number(100 * share),
                first=str(int(steps[0])),
                records=str(len(steps)),
            )
            ends = int(steps[0]), int(steps[-1])
            evidence = Evidence(q.LOSS_TERM.name, term, *ends, after, self.max_nats)
            advice = _KL_ADVICE.format(term=term, anneal=_anneal(value.steps[on]))
            numbers = {"after": after, "share": share}
            yield Finding(self.code, self.severity, term, (evidence,), message, advice, numbers)

    def _finding(
        self,
        term: str,
        when: tuple[int, Span],
        steps: np.ndarray[tuple[int], np.dtype[np.int64]],
        numbers: dict[str, float],
    ) -> Finding:
        begin, span = when
        first, last = span.ends(steps)
        bound = self.max_rest * numbers["before"]
        message = _MESSAGE.format(
            term=term,
            bound=short_number(bound),
            before=short_number(numbers["before"]),
            after=short_number(numbers["after"]),
            first=str(first),
            records=str(span.size),
            rest=f"{100 * numbers['others']:.0f}",
        )
        ends = int(steps[begin]), last
        evidence = Evidence(q.LOSS_TERM.name, term, *ends, numbers["after"], bound)
        divergence = DIVERGENCE.search(term) is not None
        severity = self.severity if divergence else Severity.INFO
        text = _KL_ADVICE if divergence else _ADVICE
        advice = text.format(term=term, anneal=_anneal(steps))
        return Finding(self.code, severity, term, (evidence,), message, advice, numbers)


def _anneal(steps: np.ndarray[tuple[int], np.dtype[np.int64]]) -> str:
    """Steps to raise a weight over: the first quarter."""
    return str(max(10, int(steps[-1] - steps[0]) // 4))
