"""What findings say that the records do not."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from claims import phrases, relations
from claims.counts import most
from claims.places import Kind, Place, places
from claims.ranges import Range, ranges
from claims.sentences import PLACE as N
from claims.sentences import Clause, clauses
from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.curve import curve_of
from tb_lossdiag.analysis.progress import fall
from tb_lossdiag.diagnosis.engine import Diagnosis
from tb_lossdiag.diagnosis.rule import Evidence, Finding, Rule
from tb_lossdiag.rules import RULES
from tb_lossdiag.run import Run

_END = r"(?:is|at|ends at) {p} (?:now|in the end)|ends at {p}|{p} (?:against ⟨\d+⟩ )?at the end|against {p} at the end|{p} after\)"
"""Words around a value of the end."""
_AT = (rf"{{p}} (?:by|at) step {N}", rf"step {N}[^;⟨]* reached {{p}}", rf"best at step {N} \({{p}}\)")  # fmt: skip
"""Words around a value that stands at a step."""
_ROUNDED = 1e-4
"""A judged series has six digits."""
_NEAR = 2.0
"""Percent by which two ways of taking a level may differ."""


def untrue(run: Run, found: Diagnosis) -> list[str]:
    """All claims of a diagnosis that do not hold, each with its message."""
    by_code = {rule.code: rule for rule in RULES}
    return [
        f"{finding.code}: {claim}: {finding.message.en}"
        for finding in found.findings()
        for claim in Told(run, by_code[finding.code], finding).untrue()
    ]


@dataclass(frozen=True)
class Told:
    """A finding beside the run that it was made from."""

    run: Run
    rule: Rule
    finding: Finding

    @cached_property
    def ranges(self) -> list[Range]:
        """All that the rule may have looked at."""
        return ranges(self.run, self.rule)

    @cached_property
    def steps(self) -> set[int]:
        """Steps that a record stands for, or has its largest value at."""
        found: set[int] = set()
        for quantity in (*self.rule.reads, *self.rule.may_read):
            if quantity in self.run:
                found |= set(self.run[quantity].steps.tolist())
                if quantity.extremes:
                    found |= set(self.run.highest_at(quantity).ravel().tolist())
        return found

    def untrue(self) -> Iterator[str]:
        """What does not hold."""
        yield from self._evidence()
        yield from self._languages()
        kinds: Mapping[Kind, Callable[[Clause, Place], Iterator[str]]] = {
            Kind.STEP: self._step,
            Kind.SHARE: self._share,
            Kind.COUNT: self._count,
            Kind.MEASURED: self._measured,
        }
        for clause in clauses(self.finding.message):
            yield from relations.broken(clause)
            yield from phrases.broken(clause.words, self.run, self.finding)
            for place in places(clause):
                if place.kind in kinds:
                    yield from kinds[place.kind](clause, place)

    def _evidence(self) -> Iterator[str]:
        for piece in self.finding.evidence:
            table = self.run.tables.get(piece.quantity)
            if table is None or piece.column not in table.columns:
                yield f"no {piece.quantity} of {piece.column!r} for evidence"
            missing = {piece.first_step, piece.last_step} - self.steps
            if missing or piece.first_step > piece.last_step:
                yield f"evidence from {piece.first_step} to {piece.last_step}: nothing stands at {missing}"
            yield from self._judged(piece)

    def _judged(self, piece: Evidence) -> Iterator[str]:
        """A derived series stands at recorded steps, and its deciding number is one of its own or between two of them."""
        judged = piece.judged
        if judged is None:
            return
        if missing := set(judged.steps) - self.steps:
            yield f"{judged.name.en}: nothing stands at {sorted(missing)[:3]}"
        if piece.observed is None or not min(judged.values) - _ROUNDED <= piece.observed:
            yield f"{judged.name.en}: {piece.observed} lies below all of it"
        elif not piece.observed - _ROUNDED <= max(judged.values) + _ROUNDED * abs(
            max(judged.values)
        ):
            yield f"{judged.name.en}: {piece.observed} lies above all of it"

    def _languages(self) -> Iterator[str]:
        """The Chinese message has the same numbers."""
        said = [
            sorted(v.said for c in clauses(self.finding.message, language) for _, v in c.numbers())
            for language in ("en", "zh")
        ]
        if said[0] != said[1]:
            yield f"numbers {said[1]} in Chinese"

    def _step(self, clause: Clause, place: Place) -> Iterator[str]:
        value = place.value
        if value.number not in self.steps:
            yield f"nothing stands at step {value.said}"
        first, last = self.finding.first_step, self.finding.last_step
        lasting = re.search(rf"\b(?:since|[Ff]rom) step ⟨{place.at}⟩", clause.words)
        if lasting and not first <= value.number <= last:
            yield f"step {value.said} lies outside of steps {first} to {last}"
        if re.search(rf"\bfirst at step ⟨{place.at}⟩", clause.words):
            steps = self.run.tables[self.finding.evidence[0].quantity].steps
            if not steps[steps < first].max(initial=-1) < value.number <= first:
                yield f"it was first at step {first}"

    def _share(self, clause: Clause, place: Place) -> Iterator[str]:
        said, piece = place.value.number, self.finding.evidence[0]
        if re.search(rf"\bfor ⟨{place.at}⟩% of the run", clause.words):
            ends = self.run.first_step() or 0, self.run.last_step() or 0
            share = 100 * (piece.last_step - piece.first_step + 1) / (ends[1] - ends[0] + 1)
            if abs(share - said) > _NEAR:
                yield f"it was {share:.0f} % of the run"
        if re.search(
            rf"[Tt]he loss has (?:lost only|hardly fallen \() ?⟨{place.at}⟩%", clause.words
        ):
            then = curve_of(self.run, q.LOSS).fall_at(np.array([piece.last_step]))[0]
            if not any(
                abs(100 * max(lost or 0, 0) - said) <= _NEAR for lost in (then, fall(self.run))
            ):
                yield f"the loss had lost {100 * then:.2g} % by then"

    def _count(self, clause: Clause, place: Place) -> Iterator[str]:
        value, limit = place.value, most(self.run, self.rule, self.finding, clause, place.at)
        if value.number != int(value.number) or value.number > limit:
            yield f"{value.said} counts what there is {limit:.0f} times"

    def _measured(self, clause: Clause, place: Place) -> Iterator[str]:
        value = place.value
        if re.search(rf"can't fall below ⟨{place.at}⟩", clause.words):
            yield from self._never_below(place)
            return
        if re.search(rf"of ⟨{place.at}⟩, what the schedule warms up to", clause.words):
            full = float(self.run.facts.get("full rate", "nan"))
            if not value.low <= full <= value.high:
                yield f"the schedule's full rate is {full}"
            return
        step = _step_of(clause, place.at)
        for each in self.ranges:
            rows = each.around(step) if step is not None else slice(None)
            if re.search(_END.format(p=f"⟨{place.at}⟩"), clause.words) and step is None:
                rows = each.last_quarter
            if each.holds(value, rows):
                return
        yield f"{value.field} {value.said} stands nowhere{f' around step {step}' if step is not None else ''}"

    def _never_below(self, place: Place) -> Iterator[str]:
        table = self.run.tables.get(q.CALL_VALUE.name)
        if table is not None and np.nanmin(table.column(self.finding.subject)) < place.value.low:
            yield f"the loss did fall below {place.value.said}"


def _step_of(clause: Clause, at: int) -> int | None:
    for pattern in _AT:
        for (step,) in clause.found(pattern.format(p=f"⟨{at}⟩")):
            return int(step.number)
    return None
