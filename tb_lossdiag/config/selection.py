"""Which rules judge, and with which thresholds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tb_lossdiag.config.extensions import all_rules
from tb_lossdiag.config.threshold import Threshold
from tb_lossdiag.diagnosis.rule import Rule


def chosen(
    select: Iterable[str] = (), ignore: Iterable[str] = (), thresholds: Iterable[Threshold] = ()
) -> tuple[Rule, ...]:
    """The rules to run.

    Args:
        select: codes or prefixes ("LD2") or names; empty for all.
        ignore: the same, taken away afterwards.
        thresholds: those that are changed; of several of one name the last counts.

    Raises:
        ValueError: something names no rule or threshold, or a value does not fit it; the message says what is known.
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
    for threshold in thresholds:
        _require(threshold, known)
        rules = [threshold.on(rule) if threshold.means(rule) else rule for rule in rules]
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


def _require(threshold: Threshold, known: Sequence[Rule]) -> None:
    if not any(threshold.means(rule) for rule in known):
        raise ValueError(f"{threshold.origin}: no rule {threshold.rule!r}; known: {_known()}")
