"""Sphinx' configuration of both languages of the site. `python3 tasks.py docs` stages the sources and names the language."""

from __future__ import annotations

import os
import re
import sys
from types import ModuleType
from typing import Any

from sphinx.search import SearchLanguage

from tb_lossdiag import __version__

LANGUAGE = os.environ.get("SITE_LANGUAGE", "en")
FRAMEWORKS = ("accelerate", "fastai", "ignite", "keras", "skorch", "stable_baselines3")

project = "Loss Doctor"
author = "The tb-lossdiag authors"
copyright = author  # noqa: A001  (its name)
version = release = __version__
language = LANGUAGE.replace("-", "_")
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
templates_path = ["templates"]

myst_heading_anchors = 3
suppress_warnings = ["myst.header"]  # an executed notebook's answers have headings of their own

default_role = "code"  # docstrings mark code by single backticks
autodoc_typehints = "none"  # the text says it
autodoc_mock_imports = list(FRAMEWORKS)  # what is shown is ours; importing them takes half a minute
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_rtype = False

html_theme = "furo"
html_title = "Loss Doctor"
html_copy_source = False
html_show_sphinx = False
html_static_path = ["static"]
html_css_files = ["site.css"]
html_context = {"other": ("en", "English") if LANGUAGE != "en" else ("zh-CN", "简体中文")}
html_sidebars = {
    "**": [
        "sidebar/brand.html",
        "language.html",
        "sidebar/search.html",
        "sidebar/scroll-start.html",
        "sidebar/navigation.html",
        "sidebar/scroll-end.html",
    ]
}


def _stand_in(name: str, **members: object) -> None:
    """A module for what is asked of a framework when ours is imported, where a mock will not do."""
    vars(sys.modules.setdefault(name, ModuleType(name))).update(members)


_stand_in("pytorch_lightning", Callback=type("Callback", (), {}))
for _name in ("transformers", "transformers.integrations"):
    _stand_in(_name)
_stand_in(
    "transformers.integrations.integration_utils",
    INTEGRATION_TO_CALLBACK={},
    TensorBoardCallback=type("TensorBoardCallback", (), {}),
)

_PIECE = re.compile(r"[\u4e00-\u9fff]+|[^\W\u4e00-\u9fff]+")


class Chinese(SearchLanguage):  # type: ignore[misc]  # (Sphinx is not installed everywhere)
    """Chinese as pairs of neighbouring characters: found without a dictionary."""

    lang = "zh"
    language_name = "Chinese"
    js_splitter_code = r"""
function splitQuery(query) {
  return (query.match(/[\u4e00-\u9fff]+|[^\s\u4e00-\u9fff.,:;!?()（），。：；、]+/g) || []).flatMap((piece) =>
    /[\u4e00-\u9fff]{2}/.test(piece) ? Array.from({ length: piece.length - 1 }, (_, at) => piece.slice(at, at + 2)) : [piece]);
}
"""

    def split(self, input: str) -> list[str]:  # noqa: A002  (Sphinx' name)
        """Words, and pairs."""
        return [part for piece in _PIECE.findall(input) for part in _pairs(piece)]


def _pairs(piece: str) -> list[str]:
    chinese = len(piece) > 1 and piece[0] > "\u4dff"
    return [piece[at : at + 2] for at in range(len(piece) - 1)] if chinese else [piece]


def setup(app: Any) -> None:
    """Take our way to search Chinese."""
    app.add_search_language(Chinese)
