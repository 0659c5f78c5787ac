"""The diagnosis as a JSON document: the same for the plugin and `tb-lossdiag check --format json`."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from tb_lossdiag.diagnosis import mapping
from tb_lossdiag.diagnosis.engine import Cause, Diagnosis, Outcome, Suppressed
from tb_lossdiag.diagnosis.rule import Evidence, Finding, Judged, Rule, documentation, thresholds
from tb_lossdiag.diagnosis.status import status, unlocks
from tb_lossdiag.diagnosis.ways import said
from tb_lossdiag.quantities import STEPS
from tb_lossdiag.report import live_reports
from tb_lossdiag.report.restarts import restarts
from tb_lossdiag.run import Run

VERSION = 1
Json = dict[str, Any]

_TOLD = 300
"""Characters of a problem."""
_RECENT = 0.02
"""Share of the run that a finding may lie behind its newest evidence and still count as going on."""


def whole(entries: Sequence[Json]) -> Json:
    """The whole document."""
    return {"version": VERSION, "runs": entries}


def entry(run: Run, diagnosis: Diagnosis, language: str, rules: Sequence[Rule]) -> Json:
    """One run of the document.

    Args:
        run: what was judged.
        diagnosis: what the rules said.
        language: of the texts.
        rules: those that judged; their names and titles go with findings and outcomes.
    """
    named = {rule.code: rule for rule in rules}
    return {
        "run": run.name,
        "status": status(diagnosis, steps(run)),
        "steps": steps(run),
        "facts": dict(run.facts),
        "findings": [_cause(cause, run, language, named) for cause in diagnosis.causes],
        "suppressed": [_suppressed(taken, run, language, named) for taken in diagnosis.suppressed],
        "reported": live_reports.moments(run),
        "restarts": restarts(run),
        "outcomes": [_outcome(outcome, language, named) for outcome in diagnosis.outcomes],
        "unlocks": list(_unlocks(run, diagnosis.outcomes, language)),
    }


def unreadable(name: str, problem: str) -> Json:
    """A run that could not be judged."""
    return {
        "run": name,
        "status": "unreadable",
        "steps": 0,
        "facts": {},
        "findings": [],
        "suppressed": [],
        "reported": [],
        "restarts": [],
        "outcomes": [],
        "unlocks": [],
        "problem": problem,
    }


def why(error: Exception) -> str:
    """The problem of a run that could not be read or judged: one bad run is one bad row."""
    told = str(error) if isinstance(error, ValueError) and str(error) else repr(error)
    return told if len(told) <= _TOLD else f"{told[:_TOLD]} …"


def steps(run: Run) -> int:
    """Optimizer steps of the model that made most of them; where none was watched, records of the longest table."""
    if STEPS in run and (taken := int(np.nansum(run[STEPS].values, axis=0).max(initial=0))):
        return taken
    return max((len(table) for table in run.tables.values()), default=0)


def ongoing(finding: Finding, run: Run) -> bool:
    """Whether it was still so when its evidence was last recorded: check-ups lie behind the run's newest step."""
    tables = [run.tables[e.quantity] for e in finding.evidence if e.quantity in run.tables]
    newest = min((int(t.steps[-1]) for t in tables if len(t)), default=run.last_step() or 0)
    behind = newest - finding.last_step
    return behind <= max(1, _RECENT * (newest - (run.first_step() or 0)))


def rules(known: Sequence[Rule], language: str = "en") -> Json:
    """Every rule with its documentation."""
    return {"version": VERSION, "rules": [_rule(rule, language) for rule in known]}


def json_number(value: float | None) -> float | str | None:
    """A JSON number; "NaN", "Infinity" and "-Infinity" where JSON has none."""
    if value is None or math.isfinite(value):
        return None if value is None else float(value)
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def _rule(rule: Rule, language: str) -> Json:
    return {
        "code": rule.code,
        "name": rule.name,
        "severity": rule.severity.label,
        "title": rule.title.in_language(language),
        "documentation": documentation(rule, language),
        "reads": [quantity.name for quantity in rule.reads],
        "explains": list(rule.explains),
        "thresholds": {name: json_number(value) for name, value in thresholds(rule).items()},
    }


def _unlocks(run: Run, outcomes: Sequence[Outcome], language: str) -> Iterator[Json]:
    """A scalar that is there already and only wants naming comes before what would have to be recorded."""
    mapped = mapping.unlocks(outcomes, run.facts)
    done = {code for _, codes in mapped for code in codes}
    others = unlocks(outcome for outcome in outcomes if outcome.code not in done).items()
    for how, codes in (*mapped, *((said(how, run.facts), codes) for how, codes in others)):
        yield {"how": how.in_language(language), "rules": list(codes)}


def _suppressed(taken: Suppressed, run: Run, language: str, named: Mapping[str, Rule]) -> Json:
    return {**_cause(Cause(taken.finding), run, language, named), "reason": taken.reason}


def _cause(cause: Cause, run: Run, language: str, named: Mapping[str, Rule]) -> Json:
    finding, rule = cause.finding, named.get(cause.finding.code)
    return {
        "code": finding.code,
        "name": rule.name if rule else "",
        "title": rule.title.in_language(language) if rule else finding.code,
        "severity": finding.severity.label,
        "subject": finding.subject,
        "first_step": finding.first_step,
        "last_step": finding.last_step,
        "ongoing": ongoing(finding, run),
        "message": finding.message.in_language(language),
        "advice": finding.advice.in_language(language),
        "numbers": {name: json_number(value) for name, value in finding.numbers.items()},
        "evidence": [_evidence(piece, language) for piece in finding.evidence],
        "reported": live_reports.of_finding(run, finding.code, finding.subject),
        "explains": [_cause(child, run, language, named) for child in cause.explains],
    }


def _evidence(piece: Evidence, language: str) -> Json:
    return {
        "quantity": piece.quantity,
        "column": piece.column,
        "first_step": piece.first_step,
        "last_step": piece.last_step,
        "observed": json_number(piece.observed),
        "threshold": json_number(piece.threshold),
        "judged": None if piece.judged is None else _judged(piece.judged, language),
    }


def _judged(series: Judged, language: str) -> Json:
    return {
        "name": series.name.in_language(language),
        "unit": series.unit,
        "at": series.at,
        "steps": list(series.steps),
        "values": [json_number(value) for value in series.values],
    }


def _outcome(outcome: Outcome, language: str, named: Mapping[str, Rule]) -> Json:
    rule = named.get(outcome.code)
    return {
        "code": outcome.code,
        "name": rule.name if rule else "",
        "outcome": outcome.verdict.value,
        "absent": outcome.absent,
        "missing": list(outcome.missing),
        "reason": outcome.reason.in_language(language) if outcome.reason else "",
    }
