"""A document as renderers may print it: the same, without control characters."""

from __future__ import annotations

from typing import Any

from tb_lossdiag.visible import flat, visible

_PARAGRAPHS = frozenset({"advice", "documentation"})
_SENTENCES = frozenset({"message", "title", "reason", "problem"})


def plain(value: Any, key: str = "") -> Any:
    r"""A part of a document. Advice keeps its paragraphs, sentences become one line, of names every control character is spelled out.

    >>> plain({"run": "a\nb\x1b", "message": "two\nlines", "advice": "one\n\ntwo", "steps": 3})
    {'run': 'a\\nb\\x1b', 'message': 'two lines', 'advice': 'one\n\ntwo', 'steps': 3}
    """
    if isinstance(value, dict):
        return {visible(name): plain(part, name) for name, part in value.items()}
    if isinstance(value, list):
        return [plain(part, key) for part in value]
    if not isinstance(value, str):
        return value
    if key in _PARAGRAPHS:
        return visible(value, keep="\n\t")
    return flat(value) if key in _SENTENCES else visible(value)
