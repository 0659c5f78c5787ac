"""Rows of comma-separated tables: Lightning's, W&B's, Ultralytics', Keras', Stable-Baselines3's."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tb_lossdiag.reader.logs.text import Row

_SIGNS = ",\t;"
_MOST = 20_000
"""Columns."""
_OF_RUNS = {"name", "state", "created"}
"""Columns of W&B's table of runs: a row there is a run, and its numbers are the last ones."""


def rows(path: Path) -> Iterator[Row | None]:
    """The rows of a table by the names in its first line; None for one of another length.

    Raises:
        ValueError: it is no table of numbers over a training.
    """
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        first = file.readline(_MOST * 100)
        sign = max(_SIGNS, key=first.count)
        names = [name.strip() for name in next(csv.reader([first], delimiter=sign), [])]
        _require(names)
        yield from _read(
            csv.reader((line.replace("\0", "") for line in file), delimiter=sign), names
        )


def _require(names: list[str]) -> None:
    if not 1 < len(names) <= _MOST:
        raise ValueError(
            f"a table with {len(names)} columns: names of columns are expected in its first line"
        )
    if {name.lower() for name in names} >= _OF_RUNS:
        raise ValueError("a table of runs, with a row for each: export the history of one instead")


def _read(found: Any, names: list[str]) -> Iterator[Row | None]:
    while True:
        try:
            cells = next(found)
        except StopIteration:
            return
        except csv.Error:
            yield None
            continue
        if cells:
            yield _row(names, cells)


def _row(names: list[str], cells: list[str]) -> Row | None:
    if len(cells) != len(names):
        return None
    return {name: text for name, cell in zip(names, cells, strict=True) if (text := cell.strip())}


def by_run(row: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The columns of W&B's chart download by run; of any other table, all of them under "".

    >>> by_run({"Step": 1, "a - loss": 2, "a - loss__MIN": 2, "b - loss": 3})
    {'a': {'Step': 1, 'loss': 2}, 'b': {'Step': 1, 'loss': 3}}
    """
    parts = {name: name.partition(" - ") for name in row}
    runs = {run for run, dash, _ in parts.values() if dash}
    if not runs:
        return {"": dict(row)}
    found: dict[str, dict[str, Any]] = {}
    for name, (run, dash, tag) in parts.items():
        if not tag.endswith(("__MIN", "__MAX")):
            for each in sorted(runs) if not dash else (run,):
                found.setdefault(each, {})[tag if dash else name] = row[name]
    return found
