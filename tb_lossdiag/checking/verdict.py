"""What a severity means for a folder: the exit code."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tb_lossdiag.config import LEVELS
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.diagnosis.status import TOO_LITTLE
from tb_lossdiag.report.findings import walk

Json = dict[str, Any]


def exit_code(runs: Iterable[Json], fail_on: str) -> int:
    """0 or 1 by the worst finding that is not in the baseline, 2 if a run could not be read, 3 if one held no loss to judge."""
    entries = list(runs)
    if any(entry["status"] == "unreadable" for entry in entries):
        return 2
    if fail_on == "never":
        return 0
    level = Severity[fail_on.upper()]
    if any(worst(entry["findings"]) >= level for entry in entries):
        return 1
    return 3 if any(entry["status"] == TOO_LITTLE for entry in entries) else 0


def worst(findings: Iterable[Json]) -> int:
    """Highest severity among new findings and what they explain, -1 if there are none."""
    new = (finding for finding in walk(findings) if not finding.get("known"))
    return max((Severity[finding["severity"].upper()] for finding in new), default=-1)


def severity(level: str) -> Severity:
    """The severity from which a finding counts.

    Raises:
        ValueError: there is no such level.
    """
    if level not in LEVELS[:-1]:
        raise ValueError(f"level = {level!r}: expected one of {', '.join(LEVELS[:-1])}")
    return Severity[level.upper()]
