"""A comparison in words: for a terminal and as Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Console
from rich.text import Text

from tb_lossdiag.report.findings import shown_number, steps
from tb_lossdiag.report.markdown import escape
from tb_lossdiag.report.plain import plain
from tb_lossdiag.report.text import GLYPHS, STYLES
from tb_lossdiag.report.words import word

Json = Mapping[str, Any]
_KINDS = ("new", "still", "fixed", "unclear")


def show(console: Console, comparison: Json, language: str = "en") -> None:
    """Print a comparison."""
    for line in lines(comparison, language):
        console.print(line)


def lines(comparison: Json, language: str = "en") -> Iterator[Text]:
    """A comparison for people at a terminal."""
    comparison = plain(comparison)
    yield Text(_title(comparison, language), style="bold")
    for kind in _KINDS:
        entries = comparison["findings"][kind]
        if entries:
            yield Text(f"\n{word(kind, language)}", style="bold")
        for entry in entries:
            finding = _finding(kind, entry)
            style = STYLES[finding["severity"]]
            mark = f"{GLYPHS[finding['severity']]} "
            yield Text.assemble((mark, style), _line(kind, entry, language))
    for heading, found in _sections(comparison, language):
        yield Text(f"\n{heading}", style="bold")
        yield from (Text(f"  {line}") for line in found)


def markdown(comparison: Json, language: str = "en") -> str:
    """A comparison for an issue or a pull request."""
    comparison = plain(comparison)
    told = [f"# {escape(_title(comparison, language))}", ""]
    for kind in _KINDS:
        entries = comparison["findings"][kind]
        if entries:
            told += [f"## {word(kind, language)}", ""]
            told += [f"- {escape(_line(kind, entry, language))}" for entry in entries]
            told.append("")
    for heading, found in _sections(comparison, language):
        told += [f"## {heading}", "", *(f"- {escape(line)}" for line in found), ""]
    return "\n".join(told)


def _title(comparison: Json, language: str) -> str:
    a, b = (f"{side['run']} ({word(side['status'], language)})" for side in _sides(comparison))
    return word("comparison", language, a=a, b=b)


def _sides(comparison: Json) -> tuple[Json, Json]:
    return comparison["a"], comparison["b"]


def _finding(kind: str, entry: Json) -> Json:
    found: Json = {"still": entry.get("b"), "unclear": entry.get("finding")}.get(kind) or entry
    return found


def _line(kind: str, entry: Json, language: str) -> str:
    finding = _finding(kind, entry)
    subject = f" {finding['subject']}" if finding["subject"] else ""
    message = word("aside", language, what=finding["message"], words=steps(finding, language))
    said = word("colon", language, what=f"{finding['code']}{subject}", words=message)
    if kind != "unclear":
        return said
    why = word("next", language).join((entry["in"].upper(), entry["reason"]))
    return word("colon", language, what=said, words=why)


def _sections(comparison: Json, language: str) -> Iterator[tuple[str, list[str]]]:
    nothing = [word("nothing new", language)]
    curves = [_curve(curve, language) for curve in comparison["curves"]]
    yield word("curves", language), curves or nothing
    facts = [
        word("colon", language, what=fact["name"], words=f"{fact['a'] or '–'} → {fact['b'] or '–'}")
        for fact in comparison["facts"]
    ]
    yield word("facts", language), facts or nothing


def _curve(curve: Json, language: str) -> str:
    name = f"{curve['quantity']}[{curve['column']}]" if curve["column"] else curve["quantity"]
    if curve["parts_at"] is None:
        same = curve["exact"] and curve["first_difference"] is None
        words = word("identical" if same else "together", language)
        return word("colon", language, what=name, words=words)
    values = {"a": shown_number(curve["a"]), "b": shown_number(curve["b"])}
    apart = word("part at", language, step=curve["parts_at"], **values)
    line = word("colon", language, what=name, words=apart)
    more = curve["columns"] - 1
    told = (line, word("more", language, count=more)) if more > 0 else (line,)
    return word("next", language).join(told)
