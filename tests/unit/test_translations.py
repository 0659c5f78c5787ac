"""Every text has a translation in each catalogue, with the same fields, and the compiled catalogue is of today."""

from __future__ import annotations

import gettext
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from tb_lossdiag.diagnosis.text import LOCALES, Text, translated
from tools import translations

CJK = re.compile(r"[\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef]")
each = pytest.mark.parametrize("locale", LOCALES.values())


def known(locale: str) -> Mapping[str, str]:
    found = {str(m.id): str(m.string) for m in translations.read(locale) if m.id}
    assert found
    return found


@each
def test_every_text_has_a_translation_and_none_is_stale(locale: str) -> None:
    wanted, there = translations.messages(), known(locale)
    assert len(wanted) > 500
    assert sorted(set(wanted) ^ set(there)) == [], "python3 tasks.py messages"
    assert [text for text, translation in there.items() if not translation] == []


@each
def test_a_translation_has_no_field_that_the_text_has_not(locale: str) -> None:
    for text, translation in known(locale).items():
        assert translations.fields(translation) <= translations.fields(text), text


@each
def test_the_compiled_catalogue_says_the_same(locale: str) -> None:
    with translations.place(locale, "mo").open("rb") as file:
        compiled = gettext.GNUTranslations(file)
    for text, translation in known(locale).items():
        assert compiled.gettext(text) == translation, "python3 tasks.py messages"


def test_other_languages_are_in_no_code() -> None:
    package = Path(translations.PACKAGE)
    speaking = [path for path in package.rglob("*.py") if CJK.search(path.read_text("utf-8"))]
    assert [path.relative_to(package).as_posix() for path in speaking] == []


def test_texts_inside_a_text_are_translated_with_it() -> None:
    inner = Text("steps {first} to {last}").format(first=1, last=Text("healthy"))
    assert Text("{inner}!").format(inner=inner).in_language("zh-CN") == "第 1 到 健康 步!"
    assert Text("{inner}!").format(inner=inner).en == "steps 1 to healthy!"


def test_what_nobody_translated_is_english() -> None:
    assert Text("nobody knows this").in_language("zh") == "nobody knows this"
    assert translated("", "zh") == ""
    assert Text("healthy").in_language("fr") == "healthy"


def test_a_second_language_beside_the_template_is_refused() -> None:
    with pytest.raises(TypeError, match="catalogues"):
        Text("healthy", "gesund")  # type: ignore[arg-type]
