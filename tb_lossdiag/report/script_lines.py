"""Which line of the script a finding is about: a loss call's, the clip's or the step's."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tb_lossdiag.quantities import CLIP_LINE, LINES, LOSS_LINES, STEP_LINE

_LINE = re.compile(r"(?P<path>.+):(?P<line>[1-9]\d*)")
_LOSS, _CLIP, _STEP = ("LD1", "LD4", "LD5"), ("LD3",), ("LD2", "LD6")
"""Beginnings of codes by what they are about. Modules, machines and records have no such line."""


def script_line(finding: Mapping[str, Any], facts: Mapping[str, str]) -> tuple[str, int] | None:
    """File and line, as they were seen while it trained; None where none is known.

    Args:
        finding: of the JSON document.
        facts: of its run.
    """
    code: str = finding["code"]
    if code.startswith(_LOSS):
        return _loss_line(finding["subject"], facts)
    if code.startswith(_CLIP):
        return _read(facts.get(CLIP_LINE, "")) or _read(facts.get(STEP_LINE, ""))
    return _read(facts.get(STEP_LINE, "")) if code.startswith(_STEP) else None


def _loss_line(subject: str, facts: Mapping[str, str]) -> tuple[str, int] | None:
    """Of the call of this name; where it is none, of the only line with a call."""
    parts = [part.partition(" at ") for part in facts.get(LOSS_LINES, "").split(LINES)]
    by_name = {name: line for name, _, line in parts}
    if subject in by_name:
        return _read(by_name[subject])
    return _read(next(iter(by_name.values()))) if len(set(by_name.values())) == 1 else None


def _read(text: str) -> tuple[str, int] | None:
    found = _LINE.fullmatch(text)
    return None if found is None else (found["path"], int(found["line"]))
