"""What must hold of a report for a test that asks for health, and what is said where it does not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from tb_lossdiag.checking import shown
from tb_lossdiag.checking.verdict import severity, worst
from tb_lossdiag.config import Pattern
from tb_lossdiag.config.selection import require
from tb_lossdiag.diagnosis.rule import Rule, Severity
from tb_lossdiag.diagnosis.status import TOO_EARLY, TOO_LITTLE
from tb_lossdiag.report.formats import Context
from tb_lossdiag.report.text import parts

Json = dict[str, Any]
_JUDGED = ("clear", "findings")


def unmet(runs: Sequence[Json], select: Sequence[Pattern], level: str, about: Context) -> list[str]:
    """What is wrong, run by run; nothing for health.

    Args:
        runs: of the document.
        select: rules that count, empty for all.
        level: severity from which a finding counts.
        about: the rules that judged, and the language.

    Raises:
        ValueError: a pattern means no rule that judged, or there is no such level.
    """
    limit = severity(level)
    for pattern in select:
        require(pattern.text, pattern.origin, filter(pattern.means, about.rules))
    codes = {rule.code for rule in about.rules if not select or _means(select, rule)}
    return [problem for run in runs for problem in _problems(run, codes, select, limit, about)]


def _means(select: Sequence[Pattern], rule: Rule) -> bool:
    return any(pattern.means(rule) for pattern in select)


def _problems(
    run: Json, codes: set[str], select: Sequence[Pattern], limit: Severity, about: Context
) -> Iterator[str]:
    found = [one for finding in run["findings"] for one in _only(finding, codes)]
    unseen = run["status"] == "unreadable" or (
        not select and run["status"] in {TOO_EARLY, TOO_LITTLE}
    )
    if unseen or worst(found) >= limit:
        yield shown.text_of(parts([{**run, "findings": found}], about.language))
        return
    for pattern in select:
        meant = {rule.code for rule in about.rules if pattern.means(rule)}
        if not any(o["code"] in meant and o["outcome"] in _JUDGED for o in run["outcomes"]):
            reasons = {o["reason"] for o in run["outcomes"] if o["code"] in meant}
            yield f"{run['run']}: {pattern.text} was not evaluated: {'; '.join(sorted(reasons))}"


def _only(finding: Json, codes: set[str]) -> list[Json]:
    """A finding of one of these rules, with what it explains of them; what it explains, if it is of another."""
    explained = [one for inner in finding["explains"] for one in _only(inner, codes)]
    return [{**finding, "explains": explained}] if finding["code"] in codes else explained
