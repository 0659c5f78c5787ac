"""LD402 term-collapse."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.curve import row_at
from tb_lossdiag.analysis.levels import Bools, Span, level, median, spans
from tb_lossdiag.analysis.loss_calls import BINARY, CLASSES, REGRESSION, calls
from tb_lossdiag.analysis.progress import below_baseline
from tb_lossdiag.analysis.reinforcement import is_reinforcement
from tb_lossdiag.analysis.terms import DIVERGENCE, is_penalty, typical_weight, values_of
from tb_lossdiag.diagnosis.rule import Evidence, Finding, NotEnough, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.records import Doubles, Table
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "`{term}` fell from {before} below {bound} by step {first} and stays below for {records} records, at {after} in the end, while the other terms keep {rest}% of their size."
)
_BESIDE_GROWN = Text(
    "`{term}` fell from {before} below {bound} by step {first} and stays below for {records} records, at {after} in the end, while the other terms have grown to {rest} times what they were."
)
_UNUSED = Text(
    "`{term}` is {after} nats, {share}% of `{other}`, since step {first} ({records} records): the code has never carried anything worth the name."
)
_IDLE = Text(
    "`{term}` is {after}, {share}% of `{other}`, since step {first} ({records} records), and the model's answer costs no less than a constant one: what `{term}` measures carries nothing."
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
_GROWN = 1.005
"""Over their size at the term's highest level; from there on, a share of it rounds to more than all."""
_RECONSTRUCTION = re.compile(r"(^|[^a-z])rec(on\w*)?([^a-z]|$)", re.IGNORECASE)
"""Names of what an autoencoder's decoder is judged by: a hint, where no loss call was seen."""
_DECODED = (*REGRESSION, *BINARY)
"""Loss functions that judge each element of what was decoded."""


@dataclass(frozen=True)
class TermCollapse:
    """A loss term falls to nothing while the others stay.

    Why it matters: a term is rarely solved a thousand times better than the rest. More often the model found a trivial way to
    satisfy it; for a KL term this is posterior collapse.

    How it decides: level = median of 5 records in which the term's weight isn't 0. It is at most `max_rest` of its highest earlier
    level for `min_records` records in a row up to the end, while the other contributions together keep at least `others_stay`
    of theirs. A warning for terms named as a KL divergence, and for others where the loss calls cost no less than the best constant answer;
    else an information. Dimensionless. A KL divergence beside a reconstruction (a loss call over many elements that are no classes, or a
    term named so) also counts when it was small from the start: at most `max_nats` and `max_share` of the largest other term in the second
    half of the run; of that share only where the loss calls cost less than a constant answer would. So does any other term but a penalty where they cost no less.

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
    may_read: ClassVar[tuple[Quantity, ...]] = (
        q.CALL_VALUE,
        q.CALL_BASELINE,
        q.CALL_OUTPUTS,
        q.EXTRA,
        q.CALL_TARGET_MEAN,
        q.CALL_TARGET_STD,
    )
    explains: ClassVar[tuple[str, ...]] = ("LD201", "LD401", "LD701")

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
                found = list(self._judge(run, (value, on, index), rest))
                yield from found or self._never_used(run, value, on, index)
        if not judged:
            least = self.min_records + 5
            raise NotEnough(
                Text("at least {least} records of a term whose weight isn't 0").format(least=least)
            )

    def _judge(self, run: Run, term: tuple[Table, Bools, int], rest: Doubles) -> Iterator[Finding]:
        value, on, index = term
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
            name = value.columns[index]
            harm = DIVERGENCE.search(name) is not None or below_baseline(run) is False
            severity = self.severity if harm else Severity.INFO
            yield self._finding(name, severity, (begin, found[-1]), value.steps[on], numbers)

    def _never_used(self, run: Run, value: Table, on: Bools, index: int) -> Iterator[Finding]:
        """A term that has been next to nothing all along, although something should go through what it measures."""
        term = value.columns[index]
        other = _largest_other(run, term)
        divergence = DIVERGENCE.search(term) is not None
        if other is None or not (_reconstructs(run, other) if divergence else _idles(run, term)):
            return
        late = slice(int(on.sum()) // 2, None)
        steps, levels = value.steps[on][late], level(np.abs(value.values[on, index]), 5)[late]
        beside = level(np.abs(value.column(other)[on].astype(np.float64)), 5)[late]
        share = np.inf if divergence and below_baseline(run) is False else self.max_share
        small = (levels <= self.max_nats) & (levels <= share * beside)
        if len(levels) >= self.min_records and small.all():
            after, share = float(levels[-1]), float(levels[-1] / beside[-1])
            message = (_UNUSED if divergence else _IDLE).format(
                term=term,
                other=other,
                after=short_number(after),
                share=short_number(100 * share),
                first=str(int(steps[0])),
                records=str(len(steps)),
            )
            ends = int(steps[0]), int(steps[-1])
            evidence = Evidence(q.LOSS_TERM.name, term, *ends, after, self.max_nats)
            advice = (_KL_ADVICE if divergence else _ADVICE).format(
                term=term, anneal=_anneal(value.steps[on])
            )
            numbers = {"after": after, "share": share}
            yield Finding(self.code, self.severity, term, (evidence,), message, advice, numbers)

    def _finding(
        self,
        term: str,
        severity: Severity,
        when: tuple[int, Span],
        steps: np.ndarray[tuple[int], np.dtype[np.int64]],
        numbers: dict[str, float],
    ) -> Finding:
        begin, span = when
        first, last = span.ends(steps)
        bound = self.max_rest * numbers["before"]
        others = numbers["others"]
        rest = f"{100 * others:.0f}" if others < _GROWN else short_number(others)
        message = (_MESSAGE if others < _GROWN else _BESIDE_GROWN).format(
            term=term,
            bound=short_number(bound),
            before=short_number(numbers["before"]),
            after=short_number(numbers["after"]),
            first=str(first),
            records=str(span.size),
            rest=rest,
        )
        ends = int(steps[begin]), last
        evidence = Evidence(q.LOSS_TERM.name, term, *ends, numbers["after"], bound)
        divergence = DIVERGENCE.search(term) is not None
        text = _KL_ADVICE if divergence else _ADVICE
        advice = text.format(term=term, anneal=_anneal(steps))
        return Finding(self.code, severity, term, (evidence,), message, advice, numbers)


def _largest_other(run: Run, term: str) -> str | None:
    """The term beside this one that contributes most over the second half, penalties left out; None without one."""
    names = [n for n in run[q.LOSS_TERM].columns if n != term and not is_penalty(n, np.zeros(0))]
    half = row_at(run[q.LOSS_TERM].steps, 0.5)
    late = {n: np.abs(values_of(run, n))[half:] for n in names}
    sizes = {n: abs(typical_weight(run, n)) * float(median(v)) for n, v in late.items()}
    known = [n for n, size in sizes.items() if np.isfinite(size)]
    return max(known, key=lambda n: sizes[n], default=None)


def _reconstructs(run: Run, other: str) -> bool:
    """Whether the model decodes: a loss over many elements that are no classes, and no divergence from another model's answer."""
    try:
        found = calls(run)
    except NotEnough:
        return _RECONSTRUCTION.search(other) is not None
    if any(c.function in (*CLASSES, "kl_div") for c in found) or is_reinforcement(run):
        return _RECONSTRUCTION.search(other) is not None
    return any(c.function in _DECODED and c.typical(q.CALL_OUTPUTS) > 1 for c in found)


def _idles(run: Run, term: str) -> bool:
    """Whether a term of data is nothing while the model answers a constant."""
    values = values_of(run, term)
    return below_baseline(run) is False and not is_penalty(term, values) and bool(values.any())


def _anneal(steps: np.ndarray[tuple[int], np.dtype[np.int64]]) -> str:
    """Steps to raise a weight over: the first quarter."""
    return str(max(10, int(steps[-1] - steps[0]) // 4))
