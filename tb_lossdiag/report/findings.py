"""What every report does with findings: walks through them, and puts their steps and numbers into words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.report.words import word

Json = Mapping[str, Any]


def walk(findings: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Findings and what they explain."""
    for finding in findings:
        yield finding
        yield from walk(finding["explains"])


def worst(finding: Json) -> str:
    """The highest severity of a cause and all it led to: the cause is what has to be mended."""
    found = (Severity[one["severity"].upper()] for one in walk([dict(finding)]))
    return max(found).label


def steps(finding: Json, language: str) -> str:
    """The steps of a finding in words."""
    first, last = finding["first_step"], finding["last_step"]
    return word("step" if first == last else "steps", language, first=first, last=last)


def shown_number(value: float | str) -> str:
    """Three digits; words for what is no number."""
    return value if isinstance(value, str) else f"{value:.3g}"
