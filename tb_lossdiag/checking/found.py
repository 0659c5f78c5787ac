"""A judged run and its findings as objects."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Json = Mapping[str, Any]


@dataclass(frozen=True)
class ReportedFinding:
    """Something that is wrong in a run.

    Attributes:
        run: its name.
        code: of the rule, such as "LD302".
        name: of the rule, such as "clip-after-step".
        title: what it says, in a few words.
        severity: "error", "warning" or "info".
        subject: what it is about: a parameter, a loss term; "" for the whole run.
        first_step: where it begins.
        last_step: where it was last seen.
        ongoing: whether it was still so when the run was last recorded.
        message: what is wrong, in a sentence with its numbers.
        advice: what to try first, as Markdown.
        numbers: those of the message, by name; "NaN" and "Infinity" where JSON has no number.
        evidence: which quantity, column and steps show it, and the threshold.
        explains: findings that it is the cause of.
        known: whether it is in the baseline.
    """

    run: str
    code: str
    name: str
    title: str
    severity: str
    subject: str
    first_step: int
    last_step: int
    ongoing: bool
    message: str
    advice: str
    numbers: Mapping[str, float | str | None]
    evidence: tuple[Json, ...]
    explains: tuple[ReportedFinding, ...] = ()
    known: bool = False

    @classmethod
    def of(cls, run: str, finding: Json) -> ReportedFinding:
        """From the document."""
        same = ("code", "name", "title", "severity", "subject", "first_step", "last_step")
        return cls(
            run=run,
            **{key: finding[key] for key in (*same, "ongoing", "message", "advice", "numbers")},
            evidence=tuple(finding["evidence"]),
            explains=tuple(cls.of(run, inner) for inner in finding["explains"]),
            known=finding.get("known", False),
        )

    def walk(self) -> Iterator[ReportedFinding]:
        """It, and all that it explains."""
        yield self
        for inner in self.explains:
            yield from inner.walk()

    def __str__(self) -> str:
        """One line."""
        subject = f" {self.subject}" if self.subject else ""
        return f"{self.run}: {self.code}{subject} {self.severity}: {self.message}"


@dataclass(frozen=True)
class JudgedRun:
    """A run and what was said of it.

    Attributes:
        name: of the run.
        status: "healthy", "nothing found", "broken", "too early", "too little recorded", "unreadable", or the worst severity.
        steps: how many optimizer steps it has.
        facts: what was noted beside the numbers.
        findings: causes; what a cause explains is in it.
        outcomes: what became of each rule, by code: "findings", "clear", "not evaluated" or "failed".
        problem: why it could not be read, "" if it could.
    """

    name: str
    status: str
    steps: int
    facts: Mapping[str, str]
    findings: tuple[ReportedFinding, ...]
    outcomes: Mapping[str, str]
    problem: str = ""

    @classmethod
    def of(cls, entry: Json) -> JudgedRun:
        """From the document."""
        name = entry["run"]
        return cls(
            name=name,
            **{key: entry[key] for key in ("status", "steps", "facts")},
            findings=tuple(ReportedFinding.of(name, finding) for finding in entry["findings"]),
            outcomes={outcome["code"]: outcome["outcome"] for outcome in entry["outcomes"]},
            problem=entry.get("problem", ""),
        )
