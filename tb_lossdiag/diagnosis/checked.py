"""What a rule of another package says, checked and made plain: nothing else of it gets into a diagnosis."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from typing import Any

from tb_lossdiag.diagnosis.judged import MOST_POINTS
from tb_lossdiag.diagnosis.rule import Evidence, Finding, Judged, Severity, Text

MOST_FINDINGS = 200
MOST_PARTS = 200
"""Pieces of evidence of a finding, and its named numbers."""
LONGEST = 20_000
"""Characters of a text; the longest of ours has about 3,000."""
_STEPS = 2**63


class Unsound(Exception):  # noqa: N818  (what a finding is)
    """Something that is no finding; the message says why."""


def findings(yielded: Iterable[object], code: str) -> list[Finding]:
    """The findings of a rule.

    Raises:
        Unsound: one of them is none, or there are too many.
    """
    found = [_finding(one, code) for one in itertools.islice(iter(yielded), MOST_FINDINGS + 1)]
    if len(found) > MOST_FINDINGS:
        raise Unsound(f"more than {MOST_FINDINGS} findings")
    return found


def text(value: object, name: str) -> Text:
    """A text as it reads in English: nothing of how its author makes it is kept.

    Raises:
        Unsound: it is none.
    """
    if not isinstance(value, Text):
        raise Unsound(f"{name} is {_kind(value)}, expected a tb_lossdiag.diagnosis.rule.Text")
    return Text(_words(value.en, name))


def _finding(one: object, code: str) -> Finding:
    if not isinstance(one, Finding):
        raise Unsound(f"yielded {_kind(one)}, expected a Finding")
    if _words(one.code, "code") != code:
        raise Unsound(f"a finding has the code {one.code!r}")
    if type(one.severity) is not Severity:
        raise Unsound(f"severity is {_kind(one.severity)}, expected a Severity")
    if type(one.evidence) is not tuple or not 1 <= len(one.evidence) <= MOST_PARTS:
        raise Unsound(
            f"evidence is {_kind(one.evidence)}, expected a tuple of 1 to {MOST_PARTS} pieces"
        )
    return Finding(
        code,
        one.severity,
        _words(one.subject, "subject"),
        tuple(_evidence(piece) for piece in one.evidence),
        text(one.message, "message"),
        text(one.advice, "advice"),
        _numbers(one.numbers),
        None if one.onset is None else _step(one.onset, "onset"),
    )


def _evidence(piece: object) -> Evidence:
    if not isinstance(piece, Evidence):
        raise Unsound(f"evidence holds {_kind(piece)}, expected Evidence")
    first = _step(piece.first_step, "evidence.first_step")
    last = _step(piece.last_step, "evidence.last_step")
    if first > last:
        raise Unsound(f"evidence: first_step {first} lies after last_step {last}")
    return Evidence(
        _words(piece.quantity, "evidence.quantity"),
        _words(piece.column, "evidence.column"),
        first,
        last,
        None if piece.observed is None else _number(piece.observed, "observed"),
        None if piece.threshold is None else _number(piece.threshold, "threshold"),
        None if piece.judged is None else _judged(piece.judged),
    )


def _judged(series: object) -> Judged:
    if not isinstance(series, Judged):
        raise Unsound(f"evidence.judged is {_kind(series)}, expected Judged")
    parts = series.steps, series.values
    if any(type(part) is not tuple or not 1 <= len(part) <= MOST_POINTS for part in parts):
        raise Unsound(f"evidence.judged: expected tuples of 1 to {MOST_POINTS} steps and values")
    steps = tuple(_step(step, "evidence.judged.steps") for step in series.steps)
    values = tuple(_number(value, "evidence.judged.values") for value in series.values)
    at = _step(series.at, "evidence.judged.at")
    if len(steps) != len(values) or list(steps) != sorted(set(steps)) or at not in steps:
        raise Unsound(
            "evidence.judged: expected a value per step, steps that rise, `at` among them"
        )
    name, unit = text(series.name, "evidence.judged.name"), _words(series.unit, "judged.unit")
    return Judged(name, unit, at, steps, values)


def _numbers(numbers: object) -> dict[str, float]:
    if not isinstance(numbers, Mapping) or len(numbers) > MOST_PARTS:
        raise Unsound(f"numbers: expected a mapping of at most {MOST_PARTS}")
    return {_words(name, "a name in numbers"): _number(n, "numbers") for name, n in numbers.items()}


def _words(value: object, name: str) -> str:
    if type(value) is not str:
        raise Unsound(f"{name} is {_kind(value)}, expected a str")
    if len(value) > LONGEST:
        raise Unsound(f"{name} has {len(value)} characters, at most {LONGEST} are shown")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise Unsound(f"{name} holds half a character (a lone surrogate)") from None
    return value


def _step(value: object, name: str) -> int:
    if type(value) is not int:
        raise Unsound(f"{name} is {_kind(value)}, expected an int")
    if abs(value) >= _STEPS:
        raise Unsound(f"{name} is beyond any step")
    return value


def _number(value: Any, name: str) -> float:
    """As a float of Python; NaN and infinity are observations like others."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Unsound(f"{name} is {_kind(value)}, expected a float of Python")
    try:
        return float(value)
    except OverflowError:
        raise Unsound(f"{name} is beyond any float") from None


def _kind(value: object) -> str:
    kind = type(value)
    return f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins.")[:200]
