"""What the page may ask, and in which file the answer lies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tb_lossdiag.config.settings import LANGUAGES
from tb_lossdiag.report.formats import BY_ENDING

Json = dict[str, Any]
Query = dict[str, str]

MAIN = "main"
_ALL_PAIRS = 12
"""Runs up to which every two of them can be compared; of more, each with the best one and with its neighbours."""
_CELLS = 60_000
"""Columns times points of a table, about: what is wider is thinned more."""
_POINTS = (150, 1200)
_SOUND = {"healthy", "nothing found"}


@dataclass(frozen=True)
class Question:
    """What the page asks.

    Attributes:
        file: where its answer goes, without ending.
        route: of the plugin.
        query: of the request.
        key: what the page will ask for: the query without what only a server needs.
    """

    file: str
    route: str
    query: Query
    key: Query

    @classmethod
    def plain(cls, file: str, route: str, **query: str) -> Question:
        """One whose query is its key."""
        return cls(file, route, query, query)


def questions(rows: Sequence[Json], recorded: Sequence[Sequence[str]]) -> Iterator[Question]:
    """All of them; what belongs to a run lies in files of its own, by its place among the rows."""
    for language in LANGUAGES:
        yield Question.plain(MAIN, "rules", lang=language)
        yield from _reports("reports", lang=language)
    for place, row in enumerate(rows):
        if row["problem"] is None:
            yield from _of_run(place, row, recorded[row["quantities"]])
    for a, b in _pairs(rows):
        for language in LANGUAGES:
            names = {"a": rows[a]["run"], "b": rows[b]["run"]}
            yield Question.plain(f"compare{a}", "compare", **names, lang=language)


def _of_run(place: int, row: Json, quantities: Sequence[str]) -> Iterator[Question]:
    file, run = f"run{place}", row["run"]
    for language in LANGUAGES:
        yield Question.plain(file, "diagnosis", run=run, lang=language)
        yield from _reports(file, run=run, lang=language)
    for quantity in quantities:
        for planes in ("full", "matrix"):
            key = {"run": run, "quantity": quantity, "planes": planes}
            yield Question(f"tables{place}", "table", key, key)


def _reports(file: str, **query: str) -> Iterator[Question]:
    return (Question.plain(file, "report", **query, format=ending) for ending in BY_ENDING)


def points(columns: int) -> int:
    """In how many buckets a table of so many columns is kept."""
    least, most = _POINTS
    return max(least, min(most, _CELLS // max(1, columns)))


def _pairs(rows: Sequence[Json]) -> Iterator[tuple[int, int]]:
    places = [place for place, row in enumerate(rows) if row["problem"] is None]
    sound = [
        p for p in places if rows[p]["status"] in _SOUND and isinstance(rows[p]["loss"], float)
    ]
    best = sorted(sound, key=lambda place: rows[place]["loss"])[:1]
    for at, a in enumerate(places):
        near = {*best, *places[max(0, at - 1) : at + 2]}
        partners = places if len(places) <= _ALL_PAIRS else sorted(near)
        yield from ((a, b) for b in partners if b != a)
