"""Rows of lines: JSON, the dictionaries that trainers print, and what they print behind a step."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tb_lossdiag.reader.logs import pairs
from tb_lossdiag.reader.logs.blocks import Blocks

_LONGEST = 1 << 20
"""Characters of a line that is read; longer ones hold samples, not numbers."""
_BARE = re.compile(r"(?<=[:\[,( ])(-?)(nan|inf)(?=[\s,}\])])")
_PRINTED = re.compile(r"\{.*\}")

Row = Mapping[Any, Any]


def lines(path: Path, *, strict: bool) -> Iterator[Row | None]:
    """The rows of a file; None for a line that is none.

    Args:
        path: of the file.
        strict: whether each line is to be a row; else a log with other text in it, which is passed over.
    """
    blocks = Blocks()
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        while line := file.readline(_LONGEST):
            whole = line.endswith("\n")
            text = line.strip()
            if not whole and len(line) == _LONGEST:
                _skip(file)
                text = ""
                yield None
            row = parsed(text) if text else None
            if row is None and not strict:
                row = blocks.row(text) or pairs.parsed(text)
            if row is not None:
                yield row
            elif text and strict and whole:  # the last line may be half written
                yield None


def _skip(file: Any) -> None:
    while (rest := file.readline(_LONGEST)) and not rest.endswith("\n"):
        pass


def parsed(line: str) -> Row | None:
    """The object in a line; None without one."""
    found = _PRINTED.search(line)
    if found is None:
        return None
    for read in (json.loads, _literal):
        try:
            row = read(found[0])
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        return row if isinstance(row, Mapping) else None
    return None


def _literal(text: str) -> Any:
    """What `print(dict)` wrote; a NaN has no quotes there."""
    return ast.literal_eval(_BARE.sub(r"'\1\2'", text))
