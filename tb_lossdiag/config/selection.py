"""Which rules judge, and with which thresholds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tb_lossdiag.config.extensions import all_rules
from tb_lossdiag.config.pattern import Pattern
from tb_lossdiag.config.threshold import Threshold
from tb_lossdiag.diagnosis.rule import Rule


def chosen(
    select: Iterable[Pattern] = (),
    ignore: Iterable[Pattern] = (),
    thresholds: Iterable[Threshold] = (),
) -> tuple[Rule, ...]:
    """The rules to run.

    Args:
        select: which; empty for all.
        ignore: those that are taken away afterwards.
        thresholds: those that are changed; of several of one name the last counts.

    Raises:
        ValueError: something names no rule or threshold, or a value does not fit it; the message says who said so and what is known.
    """
    wanted, unwanted, known = list(select), list(ignore), all_rules()
    for pattern in (*wanted, *unwanted):
        require(pattern.text, pattern.origin, filter(pattern.means, known))
    rules: Sequence[Rule] = [
        rule
        for rule in known
        if (not wanted or any(p.means(rule) for p in wanted))
        and not any(p.means(rule) for p in unwanted)
    ]
    for threshold in thresholds:
        require(threshold.rule, threshold.origin, filter(threshold.means, known))
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
    raise ValueError(_no_rule(code))


def require(name: str, origin: str, meant: Iterable[Rule]) -> None:
    """Refuse a name that means none of the rules: a misspelt code must not pass for a choice.

    Raises:
        ValueError: it means none; the message says who named it, and the codes there are.
    """
    if not list(meant):
        raise ValueError(f"{origin}: {_no_rule(name)}")


def _no_rule(name: str) -> str:
    return f"no rule {name!r}; known: {', '.join(rule.code for rule in all_rules())}"
