"""Rules of other packages, found through the entry-point group `tb_lossdiag.rules`.

An entry names a rule, a rule's class, or an iterable (or a function that returns one) of these. What cannot be loaded takes nothing
down: it becomes a rule that fails with the reason, so that every diagnosis shows it among its outcomes.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, ClassVar

from tb_lossdiag.quantities import Quantity
from tb_lossdiag.records import Run
from tb_lossdiag.rules import RULES
from tb_lossdiag.rules.rule import Finding, Rule, Severity, Text

GROUP = "tb_lossdiag.rules"
_CODE = re.compile(r"[A-Z][A-Z0-9]*\d{3}")
_PARTS = ("code", "name", "severity", "title", "reads", "may_read", "explains", "zh", "check")


class ExtensionError(Exception):
    """An entry point that gave no usable rule."""


@cache
def all_rules() -> tuple[Rule, ...]:
    """The rules of this package and then those of others; what is installed does not change while we run."""
    rules = list(RULES)
    for entry in sorted(entry_points(group=GROUP)):
        rules += _loaded(entry, {rule.code: rule.explains for rule in rules})
    return tuple(rules)


def failures() -> list[str]:
    """One sentence for each entry point that gave no rule."""
    return [rule.problem for rule in all_rules() if isinstance(rule, _Failed)]


def unfit(rule: object) -> str:
    """Why this is no rule that can be run; empty if it is one."""
    missing = [part for part in _PARTS if not hasattr(rule, part)]
    if isinstance(rule, type):
        return f"{rule.__name__} is a class: give an instance, or the class itself as entry point"
    if missing:
        return f"{type(rule).__name__} lacks {', '.join(missing)}: see tb_lossdiag.rules.rule.Rule"
    if not dataclasses.is_dataclass(rule):
        return f"{type(rule).__name__} must be a dataclass, whose fields are the thresholds"
    for field in dataclasses.fields(rule):
        if not isinstance(getattr(rule, field.name), int | float):
            return f"{type(rule).__name__}.{field.name} is no number: fields are the thresholds"
    code = str(getattr(rule, "code", ""))
    if not _CODE.fullmatch(code):
        return f"code {code!r}: expected letters and three digits, e.g. ACME101"
    return ""


def _loaded(entry: EntryPoint, taken: dict[str, tuple[str, ...]]) -> list[Rule]:
    try:
        return list(_rules(entry.load(), taken))
    except BaseException as error:  # whatever another package does when it is imported
        if isinstance(error, KeyboardInterrupt):
            raise
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
    reason = f"rules of {entry.name} ({entry.value}) not loaded: {type(error).__name__}: {error}"

    @dataclass(frozen=True)
    class Failed(_Failed):
        __doc__ = reason
        problem: ClassVar[str] = reason
        code: ClassVar[str] = entry.name
        name: ClassVar[str] = entry.name
        severity: ClassVar[Severity] = Severity.INFO
        title: ClassVar[Text] = Text("Rules that could not be loaded", "无法加载的规则")
        reads: ClassVar[tuple[Quantity, ...]] = ()
        may_read: ClassVar[tuple[Quantity, ...]] = ()
        explains: ClassVar[tuple[str, ...]] = ()
        zh: ClassVar[str] = reason

        def check(self, run: Run) -> Iterator[Finding]:  # noqa: ARG002
            raise ExtensionError(reason)

    return Failed()
