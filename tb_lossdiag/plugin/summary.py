"""One run as a row of the overview."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tb_lossdiag.analysis import derived
from tb_lossdiag.diagnosis.engine import Diagnosis, Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.diagnosis.status import status
from tb_lossdiag.quantities import LOSS
from tb_lossdiag.report import document
from tb_lossdiag.run import Run

Json = dict[str, Any]

_RECENT = 50


def summary(run: Run, diagnosis: Diagnosis, language: str) -> Json:
    """Status, counts, range of steps, age, and what was recorded."""
    found = [cause.worst for cause in diagnosis.causes]
    verdicts = [outcome.verdict for outcome in diagnosis.outcomes]
    newest = [float(table.walltimes[-1]) for table in run.tables.values() if len(table)]
    times = [time for time in newest if math.isfinite(time)]
    top = diagnosis.causes[0].finding.message.in_language(language) if diagnosis.causes else ""
    return {
        "status": status(diagnosis, document.steps(run)),
        "steps": document.steps(run),
        "first_step": run.first_step(),
        "last_step": run.last_step(),
        "last_walltime": max(times, default=None),
        "period": _period(run),
        "counts": {severity.label: found.count(severity) for severity in Severity},
        "outcomes": {verdict.value: verdicts.count(verdict) for verdict in Verdict},
        "top": top,
        "loss": document.json_number(float(run[LOSS].values[-1, 0])) if LOSS in run else None,
        "quantities": [*run.tables, *derived.available(run)],
    }


def blank(status: str) -> Json:
    """The row of a run that cannot be read, or has not been read yet."""
    return {
        "status": status,
        "steps": 0,
        "first_step": None,
        "last_step": None,
        "last_walltime": None,
        "period": None,
        "counts": {severity.label: 0 for severity in Severity},
        "outcomes": {verdict.value: 0 for verdict in Verdict},
        "top": "",
        "loss": None,
        "quantities": [],
    }


def _period(run: Run) -> float | None:
    """Median seconds between the newest records of the longest table: what to expect until the next one."""
    longest = max(run.tables.values(), key=len, default=None)
    if longest is None or len(longest) < 2:  # noqa: PLR2004
        return None
    period = float(np.median(np.diff(longest.walltimes[-_RECENT:])))
    return period if math.isfinite(period) else None
