"""What users read: English templates beside the code that fills them, other languages in catalogues (`locale/`).

A catalogue's message id is the English template itself, so that a changed English text has no translation until somebody gives it
one, instead of a stale one. Texts of other packages' rules are in no catalogue and stay English.
"""

from __future__ import annotations

import gettext
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files

_IN_CODE = re.compile(r"`{(\w+)}`")
"""Fields that a template shows as code: names of the user's."""
LOCALES = {"zh": "zh_CN"}
"""Catalogue by the first part of a language tag; English needs none."""
_DOMAIN = "lossdiag"


@dataclass(frozen=True)
class Text:
    """A sentence or paragraph.

    Attributes:
        template: in English, with `{name}` fields where values go; without values it stands as it is.
        values: by field name; what is a `Text` is put into the reader's language with the rest.
    """

    template: str
    values: Mapping[str, object] | None = None
    _said: dict[str, str] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Refuse what is no template: a second text, say, as a translation."""
        values: object = self.values
        if not (values is None or isinstance(values, Mapping)):
            raise TypeError("Text takes one template, in English; translations are in catalogues")

    def format(self, **values: object) -> Text:
        """The text with its `{name}` fields filled in.

        >>> Text("{count} of {what}").format(count=3, what=Text("clips")).en
        '3 of clips'
        """
        return Text(self.template, {**(self.values or {}), **values})

    def in_language(self, language: str) -> str:
        """The text for a language tag such as "en", "zh" or "zh-CN"; English where there is no translation.

        >>> Text("healthy").in_language("en")
        'healthy'
        """
        if (said := self._said.get(language)) is None:
            said = self._said[language] = self._put_into(language)
        return said

    def _put_into(self, language: str) -> str:
        template = translated(self.template, language)
        if self.values is None:
            return template
        said = {
            n: v.in_language(language) if isinstance(v, Text) else v for n, v in self.values.items()
        }
        for name in _IN_CODE.findall(template):
            said[name] = _without_ticks(said[name])
        return template.format(**said)

    @property
    def en(self) -> str:
        """The English text."""
        return self.in_language("en")


def _without_ticks(value: object) -> object:
    """A name that has backticks itself would end the code that it stands in, and be marked up."""
    return value.replace("`", "'") if isinstance(value, str) else value


def translated(template: str, language: str) -> str:
    """A template in a language, itself where there is no translation."""
    catalogue = _catalogue(language.lower().partition("-")[0].partition("_")[0])
    return catalogue.gettext(template) if catalogue and template else template


@cache
def _catalogue(language: str) -> gettext.NullTranslations | None:
    if language not in LOCALES:
        return None
    place = files("tb_lossdiag") / "locale" / LOCALES[language] / "LC_MESSAGES" / f"{_DOMAIN}.mo"
    with place.open("rb") as file:
        return gettext.GNUTranslations(file)
