"""The answers in `tb_lossdiag/plugin/http_api.md`: those beside the page, made short enough to read. `python3 tasks.py readme` puts them in."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tools.answers import PLACE, ROUTES

_LONGEST = 90
"""Characters of a text."""
_MOST = 6
"""Numbers or names of a list; of a list of objects the fullest one is shown."""
_MANY = 24
"""Entries of an object that is a list of words rather than a form."""
_LEFT_OUT = "…"


def example(name: str) -> str:
    """A question and its answer, as Markdown."""
    answer = json.loads((PLACE / f"{name}.json").read_text("utf-8"))
    if isinstance(answer, str):
        kind, text = "text", "\n".join(_cut(line) for line in answer.splitlines())
    else:
        shown = answer["header"] if name in {"table", "matrix"} else answer
        kind, text = "json", json.dumps(short(shown), indent=1, ensure_ascii=False)
    return f"`GET {ROUTES[name]}`\n\n````{kind}\n{text}\n````"


def short(value: Any) -> Any:
    """The same with less in it.

    >>> short({"runs": [{"run": "a"}, {"run": "b", "steps": [1, 2]}], "columns": list("abcdefgh")})
    {'runs': [{'run': 'b', 'steps': [1, 2]}, '… 1 more'], 'columns': ['a', 'b', 'c', 'd', 'e', 'f', '… 2 more']}
    """
    if isinstance(value, Mapping):
        return _short_map({key: short(inner) for key, inner in value.items()})
    if isinstance(value, list):
        return _short_list(value)
    return _cut(value) if isinstance(value, str) else value


def _short_map(value: dict[str, Any]) -> dict[str, Any]:
    if len(value) <= _MANY:
        return value
    return {**dict(list(value.items())[:_MOST]), _LEFT_OUT: f"{len(value) - _MOST} more"}


def _short_list(values: list[Any]) -> list[Any]:
    fullest = sorted(values, key=lambda one: -len(json.dumps(one)))[:1]
    kept = fullest if any(isinstance(one, Mapping) for one in values) else values[:_MOST]
    left = len(values) - len(kept)
    return [short(one) for one in kept] + [f"{_LEFT_OUT} {left} more"] * bool(left)


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST].rstrip()} {_LEFT_OUT}"
