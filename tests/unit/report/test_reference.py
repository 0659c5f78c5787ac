from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest

import tb_lossdiag.rules
from tb_lossdiag.diagnosis.rule import (
    Finding,
    NotEnough,
    Rule,
    Severity,
    Text,
    documentation,
    thresholds,
)
from tb_lossdiag.quantities import LOSS, Quantity
from tb_lossdiag.report.reference import SITE, address, page, reference
from tb_lossdiag.report.words import _WORDS, word
from tb_lossdiag.rules import RULES
from tb_lossdiag.run import Run

FOLDER = Path(tb_lossdiag.rules.__file__).parent


@pytest.mark.parametrize(
    ("language", "name"), [("en", "REFERENCE.md"), ("zh-CN", "REFERENCE.zh-CN.md")]
)
def test_the_committed_reference_is_what_the_rules_say(language: str, name: str) -> None:
    text = (FOLDER / name).read_text("utf-8")
    assert text == reference(RULES, language), "python3 tasks.py readme"


@pytest.mark.parametrize("rule", RULES, ids=[rule.code for rule in RULES])
def test_every_rule_has_its_whole_documentation_and_thresholds(rule: Rule) -> None:
    for language in ("en", "zh-CN"):
        text = reference([rule], language)
        assert documentation(rule, language) in text
        assert all(f"| `{name}` |" in text for name in thresholds(rule))


@dataclass(frozen=True)
class Bare:
    """A rule of another package, which bounds nothing."""

    code: ClassVar[str] = "ACME101"
    name: ClassVar[str] = "bare"
    severity: ClassVar[Severity] = Severity.INFO
    title: ClassVar[Text] = Text("Bare")
    reads: ClassVar[tuple[Quantity, ...]] = (LOSS,)
    may_read: ClassVar[tuple[Quantity, ...]] = ()
    explains: ClassVar[tuple[str, ...]] = ()

    def check(self, run: Run) -> Iterator[Finding]:
        if LOSS not in run:
            raise NotEnough(Text("a loss"))
        yield from ()


def test_only_our_rules_have_a_page_on_the_site() -> None:
    assert address("LD302", "zh-CN") == f"{SITE}zh-CN/rules/LD302.html"
    assert address("LD302", "en") == f"{SITE}en/rules/LD302.html"
    assert address("ACME101", "en") == ""
    assert "[`" not in page(RULES[0], "en", {"LD102"})
    assert "[LD102](LD102.md), `LD103`" in page(RULES[0], "en", {"LD102"})


def test_a_rule_without_thresholds_has_no_table() -> None:
    said = reference([Bare()], "en")
    assert said.endswith("- Reads: `loss`\n")
    assert "|---|" not in said


def test_words_have_both_languages_and_the_same_places() -> None:
    for name, text in _WORDS.items():
        places = [
            sorted(part.split("}")[0] for part in t.split("{")[1:])
            for t in (text.en, text.in_language("zh"))
        ]
        assert places[0] == places[1], name
        assert text.en != text.in_language("zh")
    assert word("step", "en", first=3) == "step 3"
