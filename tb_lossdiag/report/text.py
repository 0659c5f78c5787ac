"""The diagnosis for people at a terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.text import Text

from tb_lossdiag.diagnosis.engine import NOTHING_HERE
from tb_lossdiag.report import limits, live_reports, restarts
from tb_lossdiag.report.advice import Advice
from tb_lossdiag.report.findings import shown_number, steps, worst
from tb_lossdiag.report.plain import plain
from tb_lossdiag.report.reference import address
from tb_lossdiag.report.words import word

Json = Mapping[str, Any]

STYLES = {
    "error": "bold red",
    "warning": "bold yellow",
    "info": "bold blue",
    "broken": "bold red",
    "healthy": "bold green",
}
GLYPHS = {
    "error": "■",
    "warning": "▲",
    "info": "●",
    "healthy": "✓",
    "broken": "■",
    "nothing found": "○",
    "too early": "?",
    "too little recorded": "?",
    "unreadable": "✗",
}

_OUTCOMES = {
    "findings": "with findings",
    "clear": "clear",
    "not evaluated": "not evaluated",
    NOTHING_HERE: "nothing here",
    "failed": "failed",
}
"""What becomes of a rule, and the words for it beside a number."""


def show(console: Console, runs: Iterable[Json], language: str = "en") -> None:
    """Print the runs of a document."""
    for part in parts(runs, language):
        console.print(part)


def parts(runs: Iterable[Json], language: str = "en") -> Iterator[RenderableType]:
    """The runs of a document: one block per cause, a line per run for the rest."""
    for run in map(_printable, runs):
        yield _headline(run, language)
        yield from (Text(note, style="dim") for note in _notes(run, language))
        yield from (_block(finding, language) for finding in run["findings"])
        yield from (_accepted(finding, language) for finding in run["suppressed"])
        for sentence in live_reports.past(run, language):
            yield Text(f"{word('live past', language)} {sentence}", style="dim")
        yield _checks(run, language)
        yield from (Text(sentence, style="dim") for sentence in limits.unlocked(run, language))
        yield ""


def _printable(run: Json) -> Json:
    """A run without control characters; what became of its rules is only counted, and nine tenths of it."""
    return {name: part if name == "outcomes" else plain(part, name) for name, part in run.items()}


def _headline(run: Json, language: str) -> Text:
    status = run["status"]
    named = f"{GLYPHS[status]} {word(status, language)}"
    line = Text.assemble((named, STYLES.get(status, "bold")), "  ")
    line.append(run["run"], style="bold")
    line.append(f"  {_length(run['steps'], language)}", style="dim")
    if problem := run.get("problem"):
        line.append(f"  {problem}")
    return line


def _length(count: int, language: str) -> str:
    return word("length of one" if count == 1 else "length", language, count=count)


def _notes(run: Json, language: str) -> Iterable[str]:
    """How far the status carries; where the numbers come from, when they are not ours or not of one session."""
    facts = run["facts"]
    if limit := limits.sentence(run, language):
        yield limit
    if facts.get("source") == "scalars":
        yield word("from scalars", language, scalars=facts.get("scalars", ""))
    if unread := facts.get("unread"):
        yield word("unread", language, tags=unread)
    if thinned := facts.get("thinned"):
        yield word("thinned", language, names=thinned)
    if damaged := facts.get("damaged"):
        yield word("damaged", language, count=damaged)
    if told := restarts.sentence(run, language):
        yield told


def _block(finding: Json, language: str) -> RenderableType:
    parts: list[RenderableType] = [
        Text(finding["message"]),
        _where(finding, language),
        Padding(Advice(finding["advice"]), (1, 0, 0, 0)),
    ]
    symptoms = list(_folded(finding, language))
    if symptoms:
        heading = Text(word("it explains", language), style="dim")
        parts.append(Padding(Group(heading, *symptoms), (1, 0, 0, 0)))
    severity = worst(finding)
    known = f"  ({word('known', language)})" if finding.get("known") else ""
    code = finding["code"]
    page = address(code, language)
    title = Text.assemble(
        f"{GLYPHS[severity]} ",
        (code, f"link {page}" if page else ""),
        f"  {finding['title']}{known}",
    )
    return Panel(Group(*parts), title=title, title_align="left", border_style=STYLES[severity])


def _accepted(finding: Json, language: str) -> Text:
    words = {name: finding[name] for name in ("code", "message", "reason")}
    return Text(word("accepted", language, **words), style="dim")


def _where(finding: Json, language: str) -> Text:
    place = filter(None, (finding["subject"], steps(finding, language)))
    seen = [
        f"{_what(piece)} {_compare(piece, language)}"
        for piece in finding["evidence"]
        if piece["observed"] is not None
    ]
    live = live_reports.sentence(finding["reported"], language)
    parts = [word("list", language).join(place), *seen, *([live] if live else [])]
    return Text(word("next", language).join(parts), style="dim")


def _what(piece: Json) -> str:
    """What was judged: a derived series by its name, a recorded quantity by that and its column."""
    if piece["judged"]:
        return str(piece["judged"]["name"])
    return f"{piece['quantity']}[{piece['column']}]" if piece["column"] else str(piece["quantity"])


def _compare(piece: Json, language: str) -> str:
    observed, threshold = piece["observed"], piece["threshold"]
    bound = "" if threshold is None else word("threshold", language, value=shown_number(threshold))
    return f"{shown_number(observed)}{bound}"


def _folded(finding: Json, language: str, depth: int = 0) -> Iterable[Text]:
    for symptom in finding["explains"]:
        text = Text("  " * depth + f"{GLYPHS[symptom['severity']]} {symptom['code']} ")
        text.append(f"{symptom['message']} ({steps(symptom, language)})", style="dim")
        yield text
        yield from _folded(symptom, language, depth + 1)


def _kind(outcome: Json) -> str:
    return NOTHING_HERE if outcome["absent"] else str(outcome["outcome"])


def _checks(run: Json, language: str) -> Text:
    counts = Counter(map(_kind, run["outcomes"]))
    parts = ", ".join(
        f"{counts[outcome]} {word(name, language)}"
        for outcome, name in _OUTCOMES.items()
        if counts[outcome]
    )
    return Text(word("rules", language, counts=parts) if parts else "", style="dim")
