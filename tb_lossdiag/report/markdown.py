"""The diagnosis as Markdown, for an issue or a pull request."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

Json = Mapping[str, Any]


def markdown(runs: Iterable[Json]) -> str:
    """The runs of a document."""
    return "\n".join(line for run in runs for line in _run(run))


def _run(run: Json) -> Iterator[str]:
    yield f"# {escape(run['run'])}: {run['status']}"
    yield ""
    if problem := run.get("problem"):
        yield from (escape(problem), "")
    for finding in run["findings"]:
        yield from _finding(finding)
    yield from _not_evaluated(run)


def _finding(finding: Json) -> Iterator[str]:
    yield f"## {finding['code']} {escape(finding['title'])} ({finding['severity']})"
    subject = f"{escape(finding['subject'])}, " if finding["subject"] else ""
    yield from ("", f"{subject}steps {finding['first_step']} to {finding['last_step']}", "")
    yield from (escape(finding["message"]), "")
    if finding["evidence"]:
        yield from ("| quantity | column | steps | observed | threshold |", "|---|---|---|---|---|")
        yield from (_row(piece) for piece in finding["evidence"])
        yield ""
    yield from (finding["advice"], "")
    for symptom in _folded(finding):
        yield f"- explains {symptom['code']}: {escape(symptom['message'])}"
    yield ""


def _row(piece: Json) -> str:
    steps = f"{piece['first_step']} to {piece['last_step']}"
    cells = (piece["quantity"], escape(piece["column"]), steps)
    numbers = (_number(piece["observed"]), _number(piece["threshold"]))
    return "| " + " | ".join((*cells, *numbers)) + " |"


def _number(value: float | str | None) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else f"{value:.3g}"


def _folded(finding: Json) -> Iterator[Json]:
    for symptom in finding["explains"]:
        yield symptom
        yield from _folded(symptom)


def _not_evaluated(run: Json) -> Iterator[str]:
    open_ = [o for o in run["outcomes"] if o["outcome"] in {"not evaluated", "failed"}]
    if open_:
        yield from ("Not evaluated:", "")
        yield from (f"- {o['code']} {o['name']}: {escape(o['reason'])}" for o in open_)
        yield ""


def escape(text: str) -> str:
    r"""Text without Markdown meaning: names come from users.

    >>> escape("a|b<c>")
    'a\\|b&lt;c>'
    """
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace("\n", " ")
    return "".join(f"\\{c}" if c in "\\`*_[]|#" else c for c in text)
