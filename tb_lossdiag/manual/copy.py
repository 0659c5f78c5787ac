"""All pages as files that a browser opens, kept where the system keeps what can be made again."""

from __future__ import annotations

import os
import posixpath
import sys
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


def kept() -> Path:
    """The folder for what programs can make again, of this user's system."""
    if sys.platform == "win32":
        place = os.environ.get("LOCALAPPDATA") or "~/AppData/Local"
    elif sys.platform == "darwin":
        place = "~/Library/Caches"
    else:
        place = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(place).expanduser() / "tb-lossdiag"
