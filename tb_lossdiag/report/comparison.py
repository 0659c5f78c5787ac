"""Two runs side by side as a JSON document: findings fixed, new and still there, where curves part, what was set differently."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tb_lossdiag.diagnosis.engine import Diagnosis
from tb_lossdiag.diagnosis.rule import Rule, short_number, thresholds
from tb_lossdiag.report import document
from tb_lossdiag.report.curve_differences import Parting, partings
from tb_lossdiag.report.data_differences import data_differences
from tb_lossdiag.report.findings import walk
from tb_lossdiag.report.level_differences import level_differences
from tb_lossdiag.report.settings import settings
from tb_lossdiag.run import Run

VERSION = 1
Json = dict[str, Any]


@dataclass(frozen=True)
class Judged:
    """A run and what was said of it.

    Attributes:
        run: the records.
        diagnosis: what the rules found.
        rules: the rules, with their thresholds.
    """

    run: Run
    diagnosis: Diagnosis
    rules: Sequence[Rule]


def compare(a: Judged, b: Judged, language: str = "en") -> Json:
    """The document: `a` is the run before, `b` the one after."""
    entries = [document.entry(j.run, j.diagnosis, language, j.rules) for j in (a, b)]
    heads = [{key: entry[key] for key in ("run", "status", "steps")} for entry in entries]
    return {
        "version": VERSION,
        "a": heads[0],
        "b": heads[1],
        "findings": _findings(entries[0], entries[1]),
        "curves": [_curve(parting) for parting in partings(a.run, b.run)],
        "facts": list(_facts(a, b)),
    }


def _findings(a: Json, b: Json) -> Json:
    """Matched by code and subject.

    What the other run's records did not allow to judge is neither fixed nor new; what is accepted in one of them is still there.
    """
    before, after = _by_key(a), _by_key(b)
    fixed, only_a = _split(before, after, _unjudged(b), "a")
    new, only_b = _split(after, before, _unjudged(a), "b")
    both = [(before[key], after[key]) for key in before if key in after]
    still = [{"a": x, "b": y} for x, y in both if not ("reason" in x and "reason" in y)]
    return {"fixed": fixed, "new": new, "still": still, "unclear": [*only_a, *only_b]}


def _split(
    mine: Mapping[tuple[str, str], Json],
    others: Mapping[tuple[str, str], Json],
    unjudged: Mapping[str, str],
    side: str,
) -> tuple[list[Json], list[Json]]:
    gone = [f for key, f in mine.items() if key not in others and "reason" not in f]
    sure = [finding for finding in gone if finding["code"] not in unjudged]
    unsure = [
        {"in": side, "finding": finding, "reason": unjudged[finding["code"]]}
        for finding in gone
        if finding["code"] in unjudged
    ]
    return sure, unsure


def _by_key(entry: Json) -> dict[tuple[str, str], Json]:
    """All findings; those that are accepted have a reason."""
    found: dict[tuple[str, str], Json] = {}
    for finding in (*walk(entry["findings"]), *entry["suppressed"]):
        found.setdefault((finding["code"], finding["subject"]), {**finding, "explains": []})
    return found


def _unjudged(entry: Json) -> dict[str, str]:
    """Codes that were not judged, with the reason."""
    judged = {"findings", "clear"}
    return {o["code"]: o["reason"] for o in entry["outcomes"] if o["outcome"] not in judged}


def _curve(parting: Parting) -> Json:
    return {
        "quantity": parting.quantity.name,
        "column": parting.column,
        "records": parting.records,
        "first_difference": parting.first_difference,
        "parts_at": parting.parts_at,
        "a": document.json_number(parting.a),
        "b": document.json_number(parting.b),
        "noise": document.json_number(parting.noise),
        "exact": parting.exact,
        "columns": parting.columns,
    }


# --- facts -------------------------------------------------------------------------------------------------------------


def _facts(a: Judged, b: Judged) -> Iterator[Json]:
    """Rows that differ, "" where one has nothing to say."""
    mine, others = dict(_known(a)), dict(_known(b))
    mine["recorded"], others["recorded"] = _only_recorded(a.run, b.run)
    for name in dict.fromkeys((*mine, *others)):
        left, right = mine.get(name, ""), others.get(name, "")
        if left != right:
            yield {"name": name, "a": left, "b": right}
    for name, left, right in (*data_differences(a.run, b.run), *level_differences(a.run, b.run)):
        yield {"name": name, "a": left, "b": right}


def _known(judged: Judged) -> Iterator[tuple[str, str]]:
    yield from settings(judged.run)
    yield "last step", str(judged.run.last_step())
    for rule in judged.rules:
        for name, value in thresholds(rule).items():
            yield f"{rule.code}.{name}", short_number(value)


def _only_recorded(a: Run, b: Run) -> tuple[str, str]:
    mine, others = set(a.tables), set(b.tables)
    return ", ".join(sorted(mine - others)), ", ".join(sorted(others - mine))
