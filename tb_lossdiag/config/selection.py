"""Which rules judge, and with which thresholds."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

from tb_lossdiag.config.extensions import all_rules
from tb_lossdiag.rules.foreign import said
from tb_lossdiag.rules.rule import Rule


def chosen(
    select: Iterable[str] = (), ignore: Iterable[str] = (), settings: Iterable[str] = ()
) -> tuple[Rule, ...]:
    """The rules to run.

    Args:
        select: codes or prefixes ("LD2") or names; empty for all.
        ignore: the same, taken away afterwards.
        settings: thresholds as "LD601.max_ratio=0.2" or "update-too-large.max_ratio=0.2"; of several the last counts.

    Raises:
        ValueError: something names no rule or threshold, or a value is no number; the message says what is known.
    """
    wanted, unwanted, known = list(select), list(ignore), all_rules()
    for pattern in (*wanted, *unwanted):
        if not any(matches(rule, pattern) for rule in known):
            raise ValueError(f"no rule {pattern!r}; known: {_known()}")
    rules: Sequence[Rule] = [
        rule
        for rule in known
        if (not wanted or any(matches(rule, p) for p in wanted))
        and not any(matches(rule, p) for p in unwanted)
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
    for rule in all_rules():
        if code.upper() == rule.code or code.lower() == rule.name:
            return rule
    raise ValueError(f"no rule {code!r}; known: {_known()}")


def matches(rule: Rule, pattern: str) -> bool:
    """Whether a code, the beginning of one, or a name means this rule."""
    text = pattern.strip()
    return bool(text) and (rule.code.startswith(text.upper()) or rule.name == text.lower())


def _known() -> str:
    return ", ".join(rule.code for rule in all_rules())


def _set(rule: Rule, setting: str) -> Rule:
    target, equals, text = setting.partition("=")
    code, dot, name = target.strip().partition(".")
    if not equals or not dot:
        raise ValueError(f"--set {setting!r}: write it as LD601.max_ratio=0.2")
    if code.upper() != rule.code and code.lower() != rule.name:
        return rule
    fields = {field.name: field for field in dataclasses.fields(rule)}  # type: ignore[arg-type]
    if name not in fields:
        raise ValueError(f"{rule.code} has no threshold {name!r}; it has: {', '.join(fields)}")
    value = _number(setting, text, getattr(rule, name))
    try:
        changed: Any = dataclasses.replace(rule, **{name: value})  # type: ignore[type-var]
    except Exception as error:
        raise ValueError(f"--set {setting!r}: {rule.code} refuses it: {said(error)}") from error
    return changed  # type: ignore[no-any-return]


def _number(setting: str, text: str, default: object) -> float:
    try:
        return int(text) if isinstance(default, int) else float(text)
    except ValueError:
        kind = "a whole number" if isinstance(default, int) else "a number"
        raise ValueError(f"--set {setting!r}: {text!r} is not {kind}") from None
