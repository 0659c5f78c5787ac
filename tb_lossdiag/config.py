"""Which rules judge, and with which thresholds."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

from tb_lossdiag.rules import RULES
from tb_lossdiag.rules.rule import Rule


def chosen(
    select: Iterable[str] = (), ignore: Iterable[str] = (), settings: Iterable[str] = ()
) -> tuple[Rule, ...]:
    """The rules to run.

    Args:
        select: codes or prefixes ("LD2") or names; empty for all.
        ignore: the same, taken away afterwards.
        settings: thresholds as "LD201.max_ratio=1e-8".

    Raises:
        ValueError: something names no rule or threshold, or a value is no number; the message says what is known.
    """
    wanted, unwanted = list(select), list(ignore)
    for pattern in (*wanted, *unwanted):
        if not any(_matches(rule, pattern) for rule in RULES):
            raise ValueError(f"no rule {pattern!r}; known: {_known()}")
    rules: Sequence[Rule] = [
        rule
        for rule in RULES
        if (not wanted or any(_matches(rule, p) for p in wanted))
        and not any(_matches(rule, p) for p in unwanted)
    ]
    for setting in settings:
        rules = [_set(rule, setting) for rule in rules]
        find(setting.partition(".")[0])
    return tuple(rules)


def find(code: str) -> Rule:
    """The rule with this code or name.

    Raises:
        ValueError: there is none; the message lists the codes.
    """
    for rule in RULES:
        if code.upper() == rule.code or code.lower() == rule.name:
            return rule
    raise ValueError(f"no rule {code!r}; known: {_known()}")


def _matches(rule: Rule, pattern: str) -> bool:
    text = pattern.strip()
    return bool(text) and (rule.code.startswith(text.upper()) or rule.name == text.lower())


def _known() -> str:
    return ", ".join(rule.code for rule in RULES)


def _set(rule: Rule, setting: str) -> Rule:
    target, equals, text = setting.partition("=")
    code, dot, name = target.strip().partition(".")
    if not equals or not dot:
        raise ValueError(f"--set {setting!r}: write it as LD201.max_ratio=1e-8")
    if code.upper() != rule.code:
        return rule
    fields = {field.name: field for field in dataclasses.fields(rule)}  # type: ignore[arg-type]
    if name not in fields:
        raise ValueError(f"{rule.code} has no threshold {name!r}; it has: {', '.join(fields)}")
    changed: Any = dataclasses.replace(rule, **{name: _number(setting, text, getattr(rule, name))})  # type: ignore[type-var]
    return changed  # type: ignore[no-any-return]


def _number(setting: str, text: str, default: object) -> float:
    try:
        return int(text) if isinstance(default, int) else float(text)
    except ValueError:
        kind = "a whole number" if isinstance(default, int) else "a number"
        raise ValueError(f"--set {setting!r}: {text!r} is not {kind}") from None
