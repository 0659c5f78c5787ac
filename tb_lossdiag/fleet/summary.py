"""Which cause, how often, since when, with which settings; the best of the healthy."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from tb_lossdiag.fleet.database import Database
from tb_lossdiag.fleet.over import over_represented
from tb_lossdiag.report.settings import NO_SETTINGS

Json = dict[str, Any]

VERSION = 1
_NAMED = re.compile(r"(?:^|[/_,;-])([A-Za-z]\w*?)=([^/_,;]+)")
_CAUSES = """
SELECT code, any_value(title) AS title,
       arg_max(severity, CASE severity WHEN 'error' THEN 2 WHEN 'warning' THEN 1 ELSE 0 END) AS severity,
       count(DISTINCT run) AS runs, min(begun) AS since, max(newest) AS latest,
       count(DISTINCT run) FILTER (ongoing) AS ongoing, list(DISTINCT run ORDER BY run) AS sick
FROM findings WHERE explained_by = '' AND NOT known GROUP BY code ORDER BY runs DESC, code
"""
_BEST = """
SELECT run, status, {loss} AS value FROM runs WHERE status = '{status}' AND {loss} IS NOT NULL
ORDER BY value, run LIMIT 1
"""


def summary(fleet: Database) -> Json:
    """The document."""
    _, counted = fleet.rows("SELECT status, count(*) FROM runs GROUP BY status ORDER BY status")
    states = dict(counted)
    settings = _settings(fleet)
    return {
        "version": VERSION,
        "runs": sum(states.values()),
        "states": states,
        "causes": [_cause(row, settings) for row in _dictionaries(fleet, _CAUSES)],
        "best": _best(fleet),
    }


def _settings(fleet: Database) -> Mapping[str, Mapping[str, str]]:
    """Of each run, those that stand in its name (`lr=0.1_seed=3`) among them."""
    _, names = fleet.rows("SELECT run FROM runs")
    found = {run: {f"{key}=": value for key, value in _NAMED.findall(run)} for (run,) in names}
    for run, name, value in fleet.rows("SELECT run, name, value FROM settings")[1]:
        if name not in NO_SETTINGS:
            found[run][name] = value
    return found


def _cause(row: Json, settings: Mapping[str, Mapping[str, str]]) -> Json:
    sick = row.pop("sick")
    over = over_represented(settings, sick)
    times = {name: row[name] and row[name].isoformat() for name in ("since", "latest")}
    return {**row, **times, "example": sick[0], "over": [asdict(one) for one in over]}


def _best(fleet: Database) -> Json | None:
    """Of the healthy runs, else of those without findings, that of the lowest validation loss, else of the lowest loss at its end."""
    for status in ("healthy", "nothing found"):
        for loss in ("validation_best", "loss_last"):
            for row in _dictionaries(fleet, _BEST.format(loss=loss, status=status)):
                return {**row, "by": loss}
    return None


def _dictionaries(fleet: Database, query: str) -> list[Json]:
    names, rows = fleet.rows(query)
    return [dict(zip(names, row, strict=True)) for row in rows]
