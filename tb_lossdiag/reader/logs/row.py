"""What a row says: numbers by tag."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

_WRAPPERS = {"data", "metrics", "logs", "values", "scalars", "summary"}
"""Names of an object in a row that say nothing of the numbers in it; verl's `{"step": 1, "data": {...}}`."""
_PHASES = ("split", "mode", "phase", "stage")
_PHASE = re.compile(r"train(?:ing)?|val(?:id(?:ation)?)?|eval(?:uation)?|test|dev", re.IGNORECASE)
_DEEPEST = 6
_LONGEST = 40
"""Characters of a number that is spelled out; longer text is none."""


def numbers(row: Mapping[Any, Any]) -> dict[str, float]:
    """The numbers of a row by tag; what lies in objects has their names in front, and a row of one phase that of the phase."""
    phase = next((row[key] for key in _PHASES if _is_phase(row.get(key))), "")
    found = dict(_flat(row, "", 0))
    return {f"{phase}/{tag}": value for tag, value in found.items()} if phase else found


def _is_phase(value: Any) -> bool:
    return isinstance(value, str) and _PHASE.fullmatch(value) is not None


def _flat(row: Mapping[Any, Any], before: str, depth: int) -> Iterator[tuple[str, float]]:
    for key, value in row.items():
        tag = str(key).strip()
        if isinstance(value, Mapping):
            inner = before if tag.lower() in _WRAPPERS else f"{before}{tag}/"
            if depth < _DEEPEST:
                yield from _flat(value, inner, depth + 1)
        elif (known := number(value)) is not None:
            yield before + tag, known


def number(value: Any) -> float | None:
    """A number, spelled out or not; None for anything else. Yes and no are no numbers here.

    >>> number("2.5e-3"), number("NaN"), number(True), number("n/a")
    (0.0025, nan, None, None)
    """
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    if isinstance(value, str) and not 0 < len(value) <= _LONGEST:
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


def moment(value: Any) -> float | None:
    """Seconds since 1970 of a time stamp: a number, in thousandths too, or ISO 8601; None for what is none.

    >>> moment(1_700_000_000_000), moment("2023-11-14T22:13:20+00:00"), moment(12.5)
    (1700000000.0, 1700000000.0, None)
    """
    seconds = number(value)
    if seconds is None:
        try:
            return datetime.fromisoformat(str(value)).timestamp()
        except (ValueError, OverflowError):
            return None
    for unit in (1.0, 1e3):
        if math.isfinite(seconds) and 1e9 <= seconds / unit < 1e10:  # noqa: PLR2004  (2001 to 2286)
            return seconds / unit
    return None
