"""What the results of the clinic add up to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from clinic.case import Case
from clinic.visit import Result

Visits = Sequence[tuple[Case, Result]]


@dataclass(frozen=True)
class Score:
    """Rates over visits.

    Attributes:
        faulty: visits of cases with a fault.
        named: of them, those that name the right cause, see `named_first`.
        causes: serious causes named anywhere.
        right: of them, those that are expected or true of the case.
        healthy: visits of cases without a fault.
        alarmed: of them, those with a serious cause, by severity.
    """

    faulty: int
    named: int
    causes: int
    right: int
    healthy: int
    alarmed: dict[str, int]

    @property
    def recall(self) -> float:
        """Share of faults that are named first."""
        return self.named / self.faulty if self.faulty else float("nan")

    @property
    def precision(self) -> float:
        """Share of the serious causes that are true."""
        return self.right / self.causes if self.causes else float("nan")


def named_first(case: Case, result: Result) -> bool:
    """The first serious cause is an expected one; for a hint, nothing is serious and the information is there.

    A training that ended before its time is never right.
    """
    if result.ended:
        return False
    if case.hint:
        return not result.serious and any(c.code in case.expected for c in result.causes)
    return result.first in case.expected if case.expected else not result.first


def named_anywhere(case: Case, result: Result) -> bool:
    """An expected code is among the warnings and errors, folded ones included; a hint is where it should be."""
    return named_first(case, result) if case.hint else bool({*case.expected} & {*result.told})


def named_on_top(case: Case, result: Result) -> bool:
    """It is among those that nothing explains."""
    return named_first(case, result) if case.hint else bool({*case.expected} & {*result.serious})


def score(visits: Visits) -> Score:
    """Add up."""
    faulty = [(case, result) for case, result in visits if not case.healthy]
    healthy = [result for case, result in visits if case.healthy]
    named = sum(named_first(case, result) for case, result in faulty)
    causes = [(case, code) for case, result in visits for code in result.serious]
    right = sum(code in (*case.expected, *case.also) for case, code in causes)
    alarmed = Counter(s for result in healthy for s in {cause.severity for cause in result.causes})
    return Score(len(faulty), named, len(causes), right, len(healthy), dict(alarmed))
