from __future__ import annotations

from pathlib import Path

import pytest

import tb_lossdiag.rules
from tb_lossdiag.diagnosis.rule import Rule, documentation, thresholds
from tb_lossdiag.report.reference import reference
from tb_lossdiag.report.words import _WORDS, word
from tb_lossdiag.rules import RULES

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


def test_words_have_both_languages_and_the_same_places() -> None:
    for name, text in _WORDS.items():
        places = [
            sorted(part.split("}")[0] for part in t.split("{")[1:])
            for t in (text.en, text.in_language("zh"))
        ]
        assert places[0] == places[1], name
        assert text.en != text.in_language("zh")
    assert word("step", "en", first=3) == "step 3"
