"""The summary in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text as Line

from tb_lossdiag.diagnosis.rule import Text
from tb_lossdiag.report.findings import shown_number
from tb_lossdiag.report.text import STYLES
from tb_lossdiag.report.words import word
from tb_lossdiag.visible import flat

Json = Mapping[str, Any]

_WORDS = {
    "runs": Text("{count} runs: {states}"),
    "share": Text("runs"),
    "since": Text("since"),
    "example": Text("for example"),
    "over": Text(
        "{code}: {name} {value} in {among} of {of} runs with it, and in {all} of all {runs}"
    ),
    "validation_best": Text("best run of those that are {status}: {run}, validation loss {value}"),
    "loss_last": Text("best run of those that are {status}: {run}, loss {value} at its end"),
    "none": Text("no run is without a finding"),
}


def lines(document: Json, language: str) -> Iterator[RenderableType]:
    """Parts to print."""
    states = ", ".join(f"{n} {word(state, language)}" for state, n in document["states"].items())
    yield _said("runs", language, count=document["runs"], states=states)
    if document["causes"]:
        yield _causes(document, language)
    for cause in document["causes"]:
        for over in cause["over"]:
            told = {**over, "name": flat(over["name"]), "value": flat(over["value"])}
            told |= {"code": cause["code"], "all": over["all_with"], "runs": document["runs"]}
            yield _said("over", language, **told)
    best = document["best"]
    if best is None:
        yield _said("none", language)
    else:
        told = {"run": flat(best["run"]), "status": word(best["status"], language)}
        yield _said(best["by"], language, **told, value=shown_number(best["value"]))


def rows(names: Sequence[str], found: Sequence[Sequence[Any]]) -> Table:
    """An answer to SQL."""
    table = Table()
    for name in names:
        table.add_column(Line(flat(name)))
    for row in found:
        table.add_row(*(Line("" if cell is None else flat(str(cell))) for cell in row))
    return table


def _said(name: str, language: str, /, **values: object) -> Line:
    return Line(_WORDS[name].in_language(language).format(**values))


def _causes(document: Json, language: str) -> Table:
    table = Table("", "")
    for name in ("share", "since", "example"):
        table.add_column(_said(name, language))
    for cause in document["causes"]:
        share = f"{cause['runs']} ({cause['runs'] / document['runs']:.0%})"
        since = (cause["since"] or "")[:10]
        code = Line(cause["code"], STYLES[cause["severity"]])
        table.add_row(code, Line(flat(cause["title"])), share, since, Line(flat(cause["example"])))
    return table
