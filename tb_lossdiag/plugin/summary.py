"""One run as a row of the overview."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tb_lossdiag.analysis import derived
from tb_lossdiag.diagnosis.engine import NOTHING_HERE, Diagnosis, Outcome, Verdict
from tb_lossdiag.diagnosis.rule import Rule, Severity
from tb_lossdiag.diagnosis.status import status
from tb_lossdiag.plugin.sparkline import sparkline
from tb_lossdiag.quantities import LOSS, VALIDATION_LOSS
from tb_lossdiag.report import document
from tb_lossdiag.report.settings import settings
from tb_lossdiag.run import Run

Json = dict[str, Any]

_RECENT = 50


_KINDS = (*(verdict.value for verdict in Verdict), NOTHING_HERE)
_LONG = 80
"""Characters of a setting; longer ones are no settings to group runs by."""


def summary(run: Run, diagnosis: Diagnosis, language: str, rules: Sequence[Rule] = ()) -> Json:
    """Status, counts, range of steps, age, causes, what was set and what was recorded."""
    found = [cause.worst for cause in diagnosis.causes]
    kinds = [_kind(outcome) for outcome in diagnosis.outcomes]
    newest = [float(table.walltimes[-1]) for table in run.tables.values() if len(table)]
    times = [time for time in newest if math.isfinite(time)]
    top = diagnosis.causes[0].finding.message.in_language(language) if diagnosis.causes else ""
    return {
        "status": status(diagnosis, document.steps(run)),
        "steps": document.steps(run),
        "first_step": run.first_step(),
        "last_step": run.last_step(),
        "last_walltime": max(times, default=None),
        "ended": run.closed is not None and max(times, default=0.0) <= run.closed,
        "period": _period(run),
        "counts": {severity.label: found.count(severity) for severity in Severity},
        "outcomes": {kind: kinds.count(kind) for kind in _KINDS},
        "top": top,
        "causes": _causes(diagnosis, language, rules),
        "settings": {name: value for name, value in settings(run) if len(value) <= _LONG},
        "curve": sparkline(run[LOSS].values[:, 0]) if LOSS in run else "",
        "loss": document.json_number(float(run[LOSS].values[-1, 0])) if LOSS in run else None,
        "best_validation": _lowest(run),
        "quantities": [*run.tables, *derived.available(run)],
    }


def _lowest(run: Run) -> Any:
    """The best that the validation loss was; NaN where it never was a number."""
    if VALIDATION_LOSS not in run or not len(run[VALIDATION_LOSS]):
        return None
    values = run[VALIDATION_LOSS].values[:, 0]
    known = values[np.isfinite(values)]
    return document.json_number(float(known.min()) if len(known) else math.nan)


def _kind(outcome: Outcome) -> str:
    return NOTHING_HERE if outcome.absent else outcome.verdict.value


def packed(rows: Sequence[Json]) -> Json:
    """Rows as they are sent: what all have set alike is left out, lists of quantities that many share are written once."""
    recorded: dict[tuple[str, ...], int] = {}
    places = [recorded.setdefault(tuple(row["quantities"]), len(recorded)) for row in rows]
    alike = _alike([row["settings"] for row in rows if row["status"] != "reading"])
    sent = [
        {**row, "quantities": place, "settings": _without(row["settings"], alike)}
        for row, place in zip(rows, places, strict=True)
    ]
    return {"runs": sent, "recorded": [list(names) for names in recorded]}


def _alike(settings: Sequence[Mapping[str, str]]) -> set[str]:
    """Names of what is set alike in all of several runs."""
    first = dict(settings[0]) if len(settings) > 1 else {}
    return {name for name in first if all(s.get(name) == first[name] for s in settings)}


def _without(settings: Mapping[str, str], names: set[str]) -> dict[str, str]:
    return {name: value for name, value in settings.items() if name not in names}


def blank(status: str) -> Json:
    """The row of a run that cannot be read, or has not been read yet."""
    return {
        "status": status,
        "steps": 0,
        "first_step": None,
        "last_step": None,
        "last_walltime": None,
        "ended": False,
        "period": None,
        "counts": {severity.label: 0 for severity in Severity},
        "outcomes": dict.fromkeys(_KINDS, 0),
        "top": "",
        "causes": [],
        "settings": {},
        "curve": "",
        "loss": None,
        "best_validation": None,
        "quantities": [],
    }


def _causes(diagnosis: Diagnosis, language: str, rules: Sequence[Rule]) -> list[Json]:
    """What runs are grouped by: each cause with the severity of the worst that it led to."""
    titles = {rule.code: rule.title.in_language(language) for rule in rules}
    return [
        {
            "code": cause.finding.code,
            "title": titles.get(cause.finding.code, cause.finding.code),
            "severity": cause.worst.label,
            "first_step": cause.finding.first_step,
        }
        for cause in diagnosis.causes
    ]


def _period(run: Run) -> float | None:
    """Median seconds between the newest records of the longest table: what to expect until the next one."""
    longest = max(run.tables.values(), key=len, default=None)
    if longest is None or len(longest) < 2:  # noqa: PLR2004
        return None
    period = float(np.median(np.diff(longest.walltimes[-_RECENT:])))
    return period if math.isfinite(period) else None
