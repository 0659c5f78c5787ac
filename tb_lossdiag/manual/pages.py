"""A page's Markdown, in either language."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

from tb_lossdiag.config import all_rules, find
from tb_lossdiag.diagnosis.rule import Text
from tb_lossdiag.manual.contents import RULES_PAGE, of_rule
from tb_lossdiag.report.reference import page
from tb_lossdiag.visible import visible

_BREAK = re.compile(
    r"(?<=[\uff0c\u3002\uff1b\uff1a\u3001\uff01\uff1f\uff09\u201d])\n(?=[\w`\[\uff08\u201c])(?!```|\d+\.)"
    r"|(?<=[\u4e00-\u9fff])\n(?=[\u4e00-\u9fff\uff0c\u3002\uff1b\uff1a\u3001\uff08\uff09\u201c\u201d])"
)
"""A line's end inside a Chinese sentence, which would be shown as a space."""
_RULES = Text("The rules")
_INTRO = Text(
    "What each of them says, how it decides, from which bound on, and what to try first. A rule that has nothing to look at is "
    "*not evaluated*, and says what to record; none passes silently."
)
_HEAD = Text("| code | name | severity | says |")


def markdown(name: str, language: str) -> str:
    """The text of a page that there is.

    Args:
        name: one of `names()`.
        language: "en" or "zh-CN".
    """
    if name == RULES_PAGE:
        return _rules(language)
    if name.startswith(f"{RULES_PAGE}/"):
        known = frozenset(rule.code for rule in all_rules())
        return page(find(name.partition("/")[2]), language, known)
    text = files("tb_lossdiag").joinpath("manual", language, f"{name}.md").read_text("utf-8")
    return _BREAK.sub("", text)


@cache
def title(name: str, language: str) -> str:
    """Its first line."""
    return markdown(name, language).partition("\n")[0].lstrip("# ")


def _rules(language: str) -> str:
    lines = [f"# {_RULES.in_language(language)}", "", _INTRO.in_language(language), ""]
    lines += [_HEAD.in_language(language), "|---|---|---|---|"]
    for rule in all_rules():
        says = rule.title.in_language(language)
        link = f"[{rule.code}]({of_rule(rule.code)}.md)"
        lines.append(f"| {link} | {rule.name} | {rule.severity.label} | {says} |")
    return visible("\n".join(lines), keep="\n") + "\n"
