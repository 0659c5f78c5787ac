"""Rules of other packages, found through the entry-point group `tb_lossdiag.rules`.

An entry names a rule, a rule's class, or an iterable (or a function that returns one) of these. What cannot be loaded takes nothing
down: it becomes a rule that fails with the reason, so that every diagnosis shows it among its outcomes.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, ClassVar

from tb_lossdiag.diagnosis.foreign import said
from tb_lossdiag.diagnosis.rule import Finding, Rule, Severity, Text
from tb_lossdiag.diagnosis.timed import TooLong, within
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.run import Run

GROUP = "tb_lossdiag.rules"
SECONDS = 60.0
"""Most that the import of another package's rules may take: a cold disk and a big framework need a good part of it."""
_CODE = re.compile(r"[A-Z][A-Z0-9]*\d{3}|LDR\d{2}")
_PARTS = ("code", "name", "severity", "title", "reads", "may_read", "explains", "check")


def _tuple_of(kind: type) -> Callable[[object], bool]:
    return lambda value: type(value) is tuple and all(isinstance(one, kind) for one in value)


_SHAPES: Mapping[str, tuple[str, Callable[[Any], bool]]] = {
    "code": ("a str", lambda value: type(value) is str),
    "name": ("a str", lambda value: type(value) is str),
    "__doc__": ("a str", lambda value: value is None or type(value) is str),
    "severity": ("a Severity", lambda value: type(value) is Severity),
    "title": (
        "a Text",
        lambda value: type(value) is Text and type(value.en) is str,
    ),
    "reads": ("a tuple of quantities", _tuple_of(Quantity)),
    "may_read": ("a tuple of quantities", _tuple_of(Quantity)),
    "explains": ("a tuple of codes", _tuple_of(str)),
    "check": ("a method", callable),
}
"""What each part of a rule is: every renderer and the page rely on it."""


class ExtensionError(Exception):
    """An entry point that gave no usable rule."""


@cache
def all_rules() -> tuple[Rule, ...]:
    """The rules of this package and then those of others; what is installed does not change while we run."""
    from tb_lossdiag.rules import RULES  # noqa: PLC0415  (who only reads runs imports no rule)

    rules = list(RULES)
    for entry in sorted(entry_points(group=GROUP)):
        rules += _loaded(entry, {rule.code: rule.explains for rule in rules})
    return tuple(rules)


def failures() -> list[str]:
    """One sentence for each entry point that gave no rule."""
    return [rule.problem for rule in all_rules() if isinstance(rule, _Failed)]


def unfit(rule: object) -> str:
    """Why this is no rule that can be run; empty if it is one."""
    if isinstance(rule, type):
        return f"{rule.__name__} is a class: give an instance, or the class itself as entry point"
    return next(_faults(rule), "")


def _faults(rule: object) -> Iterator[str]:
    kind = type(rule).__name__
    if missing := [part for part in _PARTS if not hasattr(rule, part)]:
        yield f"{kind} lacks {', '.join(missing)}: see tb_lossdiag.diagnosis.rule.Rule"
    if not dataclasses.is_dataclass(rule):
        yield f"{kind} must be a dataclass, whose fields are the thresholds"
    for field in dataclasses.fields(rule):  # type: ignore[arg-type]
        if not isinstance(getattr(rule, field.name), int | float):
            yield f"{kind}.{field.name} is no number: fields are the thresholds"
    for part, (expected, fits) in _SHAPES.items():
        if not fits(value := getattr(rule, part)):
            yield f"{kind}.{part} is {value!r:.80}, expected {expected}"
    code = getattr(rule, "code", "")
    if not _CODE.fullmatch(code):
        yield f"code {code!r}: expected letters and three digits, e.g. ACME101"


def _loaded(entry: EntryPoint, taken: dict[str, tuple[str, ...]]) -> list[Rule]:
    try:
        return within(SECONDS, lambda: list(_rules(entry.load(), taken)))
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001  (whatever another package does when it is imported)
        return [_failed(entry, error)]


def _rules(value: Any, taken: dict[str, tuple[str, ...]]) -> Iterator[Rule]:
    if isinstance(value, type) or (callable(value) and not isinstance(value, Rule)):
        value = value()
    for rule in value if isinstance(value, Iterable) else [value]:
        made = rule() if isinstance(rule, type) else rule
        if problem := unfit(made):
            raise ExtensionError(problem)
        if made.code in taken:
            raise ExtensionError(f"code {made.code} is taken already")
        taken[made.code] = tuple(made.explains)
        if _reaches(made.code, made.code, taken):
            raise ExtensionError(f"{made.code} explains itself: causes point to symptoms")
        yield made


def _reaches(start: str, goal: str, explains: Mapping[str, tuple[str, ...]]) -> bool:
    """Whether a chain of explanations leads from one code to another; in a circle no finding would be a cause."""
    seen: set[str] = set()
    ahead = list(explains.get(start, ()))
    while ahead:
        code = ahead.pop()
        if code == goal:
            return True
        if code not in seen:
            seen.add(code)
            ahead += explains.get(code, ())
    return False


class _Failed:
    """Base of the rules that stand for what could not be loaded."""

    problem: ClassVar[str]


def _failed(entry: EntryPoint, error: BaseException) -> Rule:
    why = f"took longer than {SECONDS:g} s" if isinstance(error, TooLong) else said(error)
    reason = f"rules of {entry.name} ({entry.value}) not loaded: {why}"

    @dataclass(frozen=True)
    class Failed(_Failed):
        __doc__ = reason
        problem: ClassVar[str] = reason
        code: ClassVar[str] = entry.name
        name: ClassVar[str] = entry.name
        severity: ClassVar[Severity] = Severity.INFO
        title: ClassVar[Text] = Text("Rules that could not be loaded")
        reads: ClassVar[tuple[Quantity, ...]] = ()
        may_read: ClassVar[tuple[Quantity, ...]] = ()
        explains: ClassVar[tuple[str, ...]] = ()

        def check(self, run: Run) -> Iterator[Finding]:  # noqa: ARG002
            raise ExtensionError(reason)

    return Failed()
