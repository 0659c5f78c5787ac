"""Which pages there are, in which order, and who is meant by a word."""

from __future__ import annotations

import difflib
from collections.abc import Mapping

from tb_lossdiag.config import all_rules
from tb_lossdiag.diagnosis.rule import Text
from tb_lossdiag.report.reference import SITE

HOME = "index"
RULES_PAGE = "rules"
"""The page that lists the rules, and the folder of theirs."""
CHAPTERS: Mapping[str, tuple[Text, tuple[str, ...]]] = {
    "begin": (Text("Begin"), ("start", "tutorial")),
    "train": (
        Text("Your training"),
        (
            "plain",
            "run",
            "lightning",
            "transformers",
            "accelerate",
            "keras",
            "stable-baselines3",
            "ignite",
            "skorch",
            "fastai",
        ),
    ),
    "read": (Text("Reading a diagnosis"), ("views", RULES_PAGE, "automation")),
    "special": (Text("Special cases"), ("resume", "optimizers", "large", "fleet", "migration")),
    "look up": (Text("Looking things up"), ("troubleshooting", "costs", "stability")),
}


def names() -> list[str]:
    """Of all pages, in reading order; those of rules last."""
    written = [name for _, pages in CHAPTERS.values() for name in pages]
    return [HOME, *written, *(of_rule(rule.code) for rule in all_rules())]


def of_rule(code: str) -> str:
    """The name of a rule's page."""
    return f"{RULES_PAGE}/{code}"


def meant(word: str) -> str:
    """The name of the page that somebody asks for: by its name, a rule's code or a rule's name.

    Raises:
        ValueError: there is none; the message names what is near.
    """
    known = {name.lower(): name for name in names()}
    for rule in all_rules():
        known[rule.code.lower()] = known[rule.name.lower()] = of_rule(rule.code)
    asked = word.lower().removesuffix(".md").removesuffix(".html")
    if asked in known:
        return known[asked]
    near = difflib.get_close_matches(asked, known, 3, 0.5)
    pages = ", ".join(name for name in names() if "/" not in name)
    hint = f"did you mean {', '.join(near)}?" if near else f"known: {pages} and codes of rules"
    raise ValueError(f"no page {word!r}; {hint}")


def address(name: str, language: str) -> str:
    """Where a page is on the site."""
    return f"{SITE}{language}/{name}.html"
