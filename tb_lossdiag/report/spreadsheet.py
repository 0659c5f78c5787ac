"""The diagnosis as CSV: one row per finding, symptoms behind their cause."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tb_lossdiag.report.plain import plain

Json = Mapping[str, Any]

HEAD = (
    "run",
    "status",
    "code",
    "name",
    "severity",
    "subject",
    "first_step",
    "last_step",
    "quantity",
    "observed",
    "threshold",
    "explained_by",
    "message",
)


def spreadsheet(runs: Iterable[Json]) -> str:
    """The runs of a document; a run without findings has one row."""
    text = io.StringIO()
    written = csv.writer(text, lineterminator="\r\n")
    written.writerow(HEAD)
    for row in rows(map(plain, runs)):
        written.writerow(["" if cell is None else harmless(cell) for cell in row])
    return text.getvalue()


def rows(runs: Iterable[Json]) -> Iterator[tuple[Any, ...]]:
    """The rows below `HEAD`, None where there is nothing to say."""
    for run in runs:
        for row in list(_rows(run["findings"], "")) or [(None,) * (len(HEAD) - 2)]:
            yield (run["run"], run["status"], *row)


def _rows(findings: Iterable[Json], cause: str) -> Iterator[tuple[Any, ...]]:
    for finding in findings:
        first: Json = next(iter(finding["evidence"]), {})
        yield (
            *(finding[key] for key in ("code", "name", "severity", "subject")),
            *(finding[key] for key in ("first_step", "last_step")),
            *(first.get(key) for key in ("quantity", "observed", "threshold")),
            cause,
            finding["message"],
        )
        yield from _rows(finding["explains"], finding["code"])


def harmless(cell: Any) -> Any:
    r"""A cell that no spreadsheet takes for a formula (names come from users): text that begins like one gets an apostrophe.

    >>> harmless("=cmd|'/c calc'!A0")
    "'=cmd|'/c calc'!A0"
    >>> harmless(-1.5)
    -1.5
    """
    if isinstance(cell, str) and cell.lstrip().startswith(("=", "+", "-", "@", "\t", "\r")):
        return cell if cell == "-Infinity" else f"'{cell}"
    return cell
