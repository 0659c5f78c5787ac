"""All pages as files that a browser opens."""

from __future__ import annotations

import posixpath
from functools import partial
from pathlib import Path

from tb_lossdiag.manual.contents import names
from tb_lossdiag.manual.hypertext import hypertext


def written(language: str, folder: Path) -> None:
    """Write every page, under its name.

    Args:
        language: "en" or "zh-CN".
        folder: where; files of these names are replaced.

    Raises:
        OSError: it cannot be written.
    """
    for name in names():
        path = folder / f"{name}.html"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(hypertext(name, language, partial(_beside, here=name)), encoding="utf-8")


def _beside(page: str, here: str) -> str:
    return posixpath.relpath(f"{page}.html", posixpath.dirname(here) or ".")
