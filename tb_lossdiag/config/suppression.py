"""Findings that somebody has looked at and accepted: taken out of the verdict, kept in the record with the reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase

from tb_lossdiag.diagnosis.engine import Diagnosis, Suppressed, fold
from tb_lossdiag.diagnosis.rule import Finding, Rule


@dataclass(frozen=True)
class Suppression:
    """What is accepted, and why.

    Attributes:
        code: a code or the beginning of one.
        reason: never empty; shown wherever the finding would be.
        run: pattern of run names ("baseline-*").
        column: pattern of what it is about: a parameter, a loss term ("encoder.*"). All columns of the finding must match.
        steps: first and last step that the finding must lie within.
        origin: the place in the file that says so, for messages.
    """

    code: str
    reason: str
    run: str = "*"
    column: str = "*"
    steps: tuple[int, int] | None = None
    origin: str = field(default="", compare=False)

    def means(self, rule: Rule) -> bool:
        """Whether findings of this rule may be accepted by it."""
        return rule.code.startswith(self.code)

    def covers(self, run: str, finding: Finding) -> bool:
        """Whether this finding is what was accepted."""
        return (
            finding.code.startswith(self.code)
            and fnmatchcase(run, self.run)
            and self._covers_columns(finding)
            and (self.steps is None or self._covers_steps(finding, *self.steps))
        )

    def _covers_columns(self, finding: Finding) -> bool:
        columns = {finding.subject, *(piece.column for piece in finding.evidence)} - {""}
        return self.column == "*" or (
            bool(columns) and all(fnmatchcase(column, self.column) for column in columns)
        )

    def _covers_steps(self, finding: Finding, first: int, last: int) -> bool:
        return first <= finding.first_step and finding.last_step <= last


def suppressed(
    diagnosis: Diagnosis, rules: Sequence[Rule], accepted: Sequence[Suppression]
) -> Diagnosis:
    """The diagnosis without what is accepted. What an accepted cause explained stands on its own again: it was not accepted."""
    if not accepted:
        return diagnosis
    kept, taken = [], []
    for finding in diagnosis.findings():
        by = next((s for s in accepted if s.covers(diagnosis.run, finding)), None)
        if by is None:
            kept.append(finding)
        else:
            taken.append(Suppressed(finding, by.reason))
    causes = fold(kept, {rule.code: rule.explains for rule in rules})
    return replace(diagnosis, causes=causes, suppressed=tuple(taken))
