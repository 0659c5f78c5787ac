"""The diagnosis for people at a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.markdown import Markdown
from rich.padding import Padding
from rich.panel import Panel
from rich.text import Text

Json = Mapping[str, Any]

STYLES = {
    "error": "bold red",
    "warning": "bold yellow",
    "info": "bold blue",
    "healthy": "bold green",
}
GLYPHS = {
    "error": "■",
    "warning": "▲",
    "info": "●",
    "healthy": "✓",
    "too early": "?",
    "unreadable": "✗",
}


def show(console: Console, runs: Iterable[Json]) -> None:
    """Print the runs of a document: one block per cause, a line per run for the rest."""
    for run in runs:
        console.print(_headline(run))
        for finding in run["findings"]:
            console.print(_block(finding))
        console.print(_checks(run))
        console.print()


def _headline(run: Json) -> Text:
    status = run["status"]
    line = Text.assemble((f"{GLYPHS[status]} {status}", STYLES.get(status, "bold")), "  ")
    line.append(run["run"], style="bold")
    line.append(f"  {run['steps']} records", style="dim")
    if problem := run.get("problem"):
        line.append(f"  {problem}")
    return line


def _block(finding: Json) -> RenderableType:
    parts: list[RenderableType] = [
        Text(finding["message"]),
        _where(finding),
        Padding(Markdown(finding["advice"]), (1, 0, 0, 0)),
    ]
    symptoms = list(_folded(finding))
    if symptoms:
        parts.append(Padding(Group(Text("It explains:", style="dim"), *symptoms), (1, 0, 0, 0)))
    severity = finding["severity"]
    title = Text(f"{GLYPHS[severity]} {finding['code']}  {finding['title']}")
    return Panel(Group(*parts), title=title, title_align="left", border_style=STYLES[severity])


def _where(finding: Json) -> Text:
    subject = f"{finding['subject']}, " if finding["subject"] else ""
    steps = _steps(finding)
    seen = [
        f"{piece['quantity']}{_column(piece)} {_compare(piece)}"
        for piece in finding["evidence"]
        if piece["observed"] is not None
    ]
    return Text("; ".join([f"{subject}{steps}", *seen]), style="dim")


def _steps(finding: Json) -> str:
    first, last = finding["first_step"], finding["last_step"]
    return f"step {first}" if first == last else f"steps {first} to {last}"


def _column(piece: Json) -> str:
    return f"[{piece['column']}]" if piece["column"] else ""


def _compare(piece: Json) -> str:
    observed, threshold = piece["observed"], piece["threshold"]
    bound = f" (threshold {_number(threshold)})" if threshold is not None else ""
    return f"{_number(observed)}{bound}"


def _number(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.3g}"


def _folded(finding: Json, depth: int = 0) -> Iterable[Text]:
    for symptom in finding["explains"]:
        text = Text("  " * depth + f"{GLYPHS[symptom['severity']]} {symptom['code']} ")
        text.append(f"{symptom['message']} ({_steps(symptom)})", style="dim")
        yield text
        yield from _folded(symptom, depth + 1)


def _checks(run: Json) -> Text:
    counts: dict[str, int] = {}
    for outcome in run["outcomes"]:
        counts[outcome["outcome"]] = counts.get(outcome["outcome"], 0) + 1
    parts = [f"{count} {name}" for name, count in counts.items()]
    return Text("rules: " + ", ".join(parts) if parts else "", style="dim")
