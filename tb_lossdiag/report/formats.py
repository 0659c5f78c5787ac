"""The files that a diagnosis can be: the command line's `--format`, the tab's `/report` and its page all offer these.

A new format is a line in `FORMATS`. Text for a terminal is none of them: it depends on the terminal (`text`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tb_lossdiag.diagnosis.rule import Rule
from tb_lossdiag.report.markdown import markdown
from tb_lossdiag.report.page import page
from tb_lossdiag.report.sarif import sarif
from tb_lossdiag.report.spreadsheet import spreadsheet
from tb_lossdiag.visible import in_json

Json = dict[str, Any]


@dataclass(frozen=True)
class Context:
    """What a file says beside the document.

    Attributes:
        rules: those that judged.
        logdir: folder of the runs, as the user wrote it.
        language: of the texts.
        version: of this package.
    """

    rules: Sequence[Rule]
    logdir: str
    language: str
    version: str


@dataclass(frozen=True)
class Format:
    """A kind of file.

    Attributes:
        media_type: for HTTP.
        ending: of the file's name, without the dot.
        write: the text of a document.
    """

    media_type: str
    ending: str
    write: Callable[[Json, Context], str]


def as_json(value: Any) -> str:
    """A document as people read it in a diff."""
    return in_json(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False))


def _json(document: Json, _: Context) -> str:
    return as_json(document)


def _markdown(document: Json, about: Context) -> str:
    return markdown(document["runs"], about.language)


def _html(document: Json, about: Context) -> str:
    return page(document["runs"], about.language)


def _csv(document: Json, _: Context) -> str:
    return spreadsheet(document["runs"])


def _sarif(document: Json, about: Context) -> str:
    runs = document["runs"]
    return as_json(sarif(runs, about.rules, about.logdir, about.language, about.version))


FORMATS: Mapping[str, Format] = {
    "markdown": Format("text/markdown", "md", _markdown),
    "json": Format("application/json", "json", _json),
    "csv": Format("text/csv", "csv", _csv),
    "sarif": Format("application/sarif+json", "sarif", _sarif),
    "html": Format("text/html", "html", _html),
}
"""By the name that the command line has for it."""
BY_ENDING: Mapping[str, Format] = {form.ending: form for form in FORMATS.values()}
"""By the name that the tab's `/report` has for it."""
