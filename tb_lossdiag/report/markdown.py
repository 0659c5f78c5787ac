"""The diagnosis as Markdown, for an issue or a pull request."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tb_lossdiag.diagnosis.quantity_names import quantity_name
from tb_lossdiag.report import limits, live_reports, restarts
from tb_lossdiag.report.findings import shown_number, steps, walk, worst
from tb_lossdiag.report.plain import plain
from tb_lossdiag.report.words import word

Json = Mapping[str, Any]


def markdown(runs: Iterable[Json], language: str = "en") -> str:
    """The runs of a document."""
    return "\n".join(line for run in map(plain, runs) for line in _run(run, language))


def _run(run: Json, language: str) -> Iterator[str]:
    state = word(run["status"], language)
    yield "# " + word("colon", language, what=escape(run["run"]), words=state)
    yield ""
    if problem := run.get("problem"):
        yield from (escape(problem), "")
    if limit := limits.sentence(run, language):
        yield from (limit, "")
    yield from _notes(run, language)
    for finding in run["findings"]:
        yield from _finding(finding, language)
    yield from _accepted(run, language)
    yield from _past(run, language)
    yield from _not_evaluated(run, language)


def _notes(run: Json, language: str) -> Iterator[str]:
    """Where the numbers come from, when they are not ours or not of one session."""
    if run["facts"].get("source") == "scalars":
        scalars = escape(run["facts"].get("scalars", ""))
        yield from (word("from scalars", language, scalars=scalars), "")
    if unread := run["facts"].get("unread"):
        yield from (word("unread", language, tags=escape(unread)), "")
    if thinned := run["facts"].get("thinned"):
        yield from (word("thinned", language, names=escape(thinned)), "")
    if damaged := run["facts"].get("damaged"):
        yield from (word("damaged", language, count=escape(damaged)), "")
    if told := restarts.sentence(run, language):
        yield from (told, "")


def _finding(finding: Json, language: str) -> Iterator[str]:
    yield "## " + _title(finding, language)
    where = (escape(finding["subject"]), steps(finding, language))
    live = live_reports.sentence(finding["reported"], language)
    told = word("list", language).join(filter(None, where))
    yield from ("", word("next", language).join(filter(None, (told, live))), "")
    yield from (prose(finding["message"]), "")
    if finding["evidence"]:
        names = ("quantity", "column", "at", "observed", "bound")
        yield "| " + " | ".join(word(name, language) for name in names) + " |"
        yield "|---|---|---|---|---|"
        yield from (_row(piece, language) for piece in finding["evidence"])
        yield ""
    yield from (finding["advice"], "")
    for symptom in walk(finding["explains"]):
        what = f"{word('explains', language)} {symptom['code']}"
        yield "- " + word("colon", language, what=what, words=prose(symptom["message"]))
    yield ""


def _title(finding: Json, language: str) -> str:
    """As in "LD101 The loss is NaN or infinite (error, in the baseline)"."""
    names = (worst(finding), "known") if finding.get("known") else (worst(finding),)
    aside = word("list", language).join(word(name, language) for name in names)
    what = f"{finding['code']} {escape(finding['title'])}"
    return word("aside", language, what=what, words=aside)


def _row(piece: Json, language: str) -> str:
    judged = piece["judged"]
    what = prose(judged["name"]) if judged else quantity_name(piece["quantity"], language)
    cells = (what, escape(piece["column"]), steps(piece, language))
    numbers = (
        "" if v is None else shown_number(v) for v in (piece["observed"], piece["threshold"])
    )
    return "| " + " | ".join((*cells, *numbers)) + " |"


def _accepted(run: Json, language: str) -> Iterator[str]:
    if run["suppressed"]:
        yield from (word("accepted here", language), "")
        for finding in run["suppressed"]:
            message, reason = prose(finding["message"]), escape(finding["reason"])
            told = word("aside", language, what=message, words=reason)
            yield "- " + word("colon", language, what=finding["code"], words=told)
        yield ""


def _past(run: Json, language: str) -> Iterator[str]:
    if gone := list(live_reports.past(run, language)):
        yield from (word("live past", language), "")
        yield from (f"- {escape(sentence)}" for sentence in gone)
        yield ""


def _not_evaluated(run: Json, language: str) -> Iterator[str]:
    """Rules that the same would let judge, or that lack the same, stand together."""
    ways = {code: way["how"] for way in run["unlocks"] for code in way["rules"]}
    english = language.startswith("en")
    lacking: dict[str, list[str]] = {}
    for outcome in run["outcomes"]:
        if outcome["outcome"] in {"not evaluated", "failed"}:
            code = outcome["code"]
            told = f"{code} {outcome['name']}" if english else code  # a rule's name is English
            lacking.setdefault(ways.get(code, _why(outcome, language)), []).append(told)
    if lacking:
        yield from (word("not evaluated here", language), "")
        for reason, rules in sorted(lacking.items(), key=lambda item: -len(item[1])):
            named = word("list", language).join(rules)
            yield "- " + word("colon", language, what=prose(reason), words=named)
        yield ""


def _why(outcome: Json, language: str) -> str:
    return word("nothing of the kind", language) if outcome["absent"] else str(outcome["reason"])


def prose(text: str) -> str:
    r"""A sentence of a rule: what stands between back-ticks stays code, the rest has no Markdown meaning.

    >>> prose("`a_b` is <b> and `left open")
    '`a_b` is &lt;b> and \\`left open'
    """
    pieces = " ".join(text.split("\n")).split("`")
    closed = len(pieces) - 1 - (len(pieces) - 1) % 2
    done = [
        f"`{p}`" if i % 2 and i < closed else escape(p) for i, p in enumerate(pieces[: closed + 1])
    ]
    return "".join(done) + "".join(f"\\`{escape(piece)}" for piece in pieces[closed + 1 :])


def escape(text: str) -> str:
    r"""Text without Markdown meaning: names come from users.

    >>> escape("a|b<c>")
    'a\\|b&lt;c>'
    """
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace("\n", " ")
    return "".join(f"\\{c}" if c in "\\`*_[]|#" else c for c in text)
