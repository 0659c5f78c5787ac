"""Rows of a file that is one JSON document, such as Transformers' `trainer_state.json`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tb_lossdiag.reader.logs.text import Row

_HISTORY = "log_history"
_SUMMARY = ("train_runtime", "total_flos")
"""What Transformers adds to its last row, which sums the run up."""


def rows(path: Path) -> Iterator[Row | None]:
    """The rows of a document.

    Raises:
        ValueError: it is none, or holds no rows.
    """
    try:
        document = json.loads(path.read_text("utf-8-sig", "replace"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not a whole JSON document: {error}") from None
    if isinstance(document, Mapping) and isinstance(document.get(_HISTORY), list):
        return (_of_the_trainer(row) for row in document[_HISTORY])
    if isinstance(document, list):
        return (row if isinstance(row, Mapping) else None for row in document)
    if isinstance(document, Mapping) and (columns := _columns(document)):
        return _turned(columns)
    raise ValueError("a JSON document without rows: neither log_history, nor a list, nor columns")


def _of_the_trainer(row: Any) -> Row | None:
    """A row with the tags that the trainer's own TensorBoard callback gives its numbers."""
    if not isinstance(row, Mapping):
        return None
    if any(key in row for key in _SUMMARY):
        return {}
    return {_rewritten(str(key)): value for key, value in row.items()}


def _rewritten(key: str) -> str:
    """As `rewrite_logs` in transformers/integrations does.

    >>> _rewritten("eval_loss"), _rewritten("loss"), _rewritten("step")
    ('eval/loss', 'train/loss', 'step')
    """
    if key in {"step", "epoch"}:
        return key
    for phase in ("eval", "test"):
        if key.startswith(f"{phase}_"):
            return f"{phase}/{key[len(phase) + 1 :]}"
    return f"train/{key}"


def _columns(document: Mapping[str, Any]) -> dict[str, Sequence[Any]]:
    """Lists by name: Keras' `history.history`."""
    inner = document.get("history", document)
    found = inner.items() if isinstance(inner, Mapping) else ()
    return {str(name): values for name, values in found if isinstance(values, list)}


def _turned(columns: Mapping[str, Sequence[Any]]) -> Iterator[Row]:
    for place in range(max(map(len, columns.values()))):
        yield {name: some[place] for name, some in columns.items() if place < len(some)}
