"""Which rules judge, and with which thresholds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from tb_lossdiag.config.extensions import all_rules
from tb_lossdiag.config.pattern import Pattern
from tb_lossdiag.config.threshold import Threshold
from tb_lossdiag.diagnosis.rule import Rule

_FEW = 3
"""Rules that are proposed to somebody who named none."""
_CLOSE_CODE = 0.75
"""How alike codes must be: of five characters one may differ."""


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
    near = _near(name)
    hint = f"did you mean {', '.join(near)}?" if near else f"known: {', '.join(_codes())}"
    return f"no rule {name!r}; {hint}"


def _near(name: str) -> list[str]:
    """What somebody may have meant who wrote a code or a name otherwise."""
    text = name.strip().replace("_", "-").replace(" ", "-")
    names = [rule.name for rule in all_rules()]
    if text.lower() in names:
        return [text.lower()]
    begun = [code for code in _codes() if len(text) > 1 and code.startswith(text.upper())]
    likely = (
        get_close_matches(text.upper(), _codes(), _FEW, _CLOSE_CODE) if text[-1:].isdigit() else []
    )
    return begun or likely or get_close_matches(text.lower(), names, _FEW)


def _codes() -> list[str]:
    return [rule.code for rule in all_rules()]
