"""The documentation site in both languages, built strictly, every link of its own looked after. `python3 tasks.py docs`."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tb_lossdiag.config import LANGUAGES
from tb_lossdiag.manual import CHAPTERS, HOME, RULES_PAGE, llms, markdown, names
from tools.links import broken
from tools.notebook import executed

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PLACE = ROOT / "build" / "site"
PICTURES = "../../../frontend/screenshots/"
API, EVIDENCE = "api", "evidence"
REPORTS = ("tests/clinic/REPORT.md", "tests/clinic/abroad/REPORT.md")
SAID = {
    "en": "These four runs in the tab, as a folder of files",
    "zh-CN": "标签页中的这四个 run（一个由文件组成的文件夹）",
}
_LIVE = """
````{{raw}} html
<p><a href="../live/index.html">{0}</a>:</p>
<iframe class="live" src="../live/index.html" loading="lazy" title="{0}"></iframe>
````
"""


def build(language: str) -> None:
    """The pages in a language.

    Raises:
        RuntimeError: Sphinx finds fault with something.
    """
    source, made = PLACE / "source" / language, PLACE / "html" / language
    shutil.copytree(ROOT / "frontend" / "screenshots", source / "pictures")
    (source / RULES_PAGE).mkdir()
    for name in (*names(), API, EVIDENCE):
        path = source / f"{name}.md"
        path.write_text(_staged(name, language, source), encoding="utf-8")
    command = ("-W", "--keep-going", "-q", "-b", "html", "-c", DOCS, source, made)
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", *command],
        env={**os.environ, "SITE_LANGUAGE": language, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{language}:\n{done.stdout}{done.stderr}")


def _staged(name: str, language: str, source: Path) -> str:
    """A page as Sphinx takes it: with its pictures beside it, and its place in the menu."""
    if name == API:
        head = (DOCS / f"{API}.{language}.md").read_text("utf-8")
        return f"{head}\n```{{eval-rst}}\n{(DOCS / 'api.rst').read_text('utf-8')}```\n"
    if name == EVIDENCE:
        parts = [(DOCS / f"{EVIDENCE}.{language}.md").read_text("utf-8")]
        parts += [_below((ROOT / report).read_text("utf-8")) for report in REPORTS]
        return "\n".join(parts)
    text = markdown(name, language).replace(PICTURES, "pictures/")
    if name == "tutorial":
        live = PLACE / "html" / "live" if language == LANGUAGES[0] else None
        text = executed(text, language, source / "tutorial.ipynb", live) + _LIVE.format(
            SAID[language]
        )
    if name == HOME:
        text += "".join(_menus(language))
    if name == RULES_PAGE:
        text += _menu("", [page for page in names() if "/" in page])
    return text


def _below(report: str) -> str:
    """A report as a part of a page: its headings a level lower."""
    return re.sub(r"^#", "##", report, flags=re.MULTILINE)


def _menus(language: str) -> Iterator[str]:
    for chapter, (title, pages) in CHAPTERS.items():
        more = [API, EVIDENCE] if chapter == "look up" else []
        yield _menu(title.in_language(language), [*pages, *more])


def _menu(title: str, pages: list[str]) -> str:
    caption = f":caption: {title}\n" if title else ""
    return f"\n```{{toctree}}\n:hidden:\n{caption}\n" + "\n".join(pages) + "\n```\n"


def main() -> int:
    """Build; say what is wrong.

    Returns:
        0 if nothing is.
    """
    began = time.monotonic()
    shutil.rmtree(PLACE, ignore_errors=True)
    try:
        with ThreadPoolExecutor() as pool:
            list(pool.map(build, LANGUAGES))
    except RuntimeError as error:
        print(error)
        return 1
    html = PLACE / "html"
    shutil.copy(DOCS / "root.html", html / "index.html")
    (html / "llms.txt").write_text(llms(), "utf-8")
    faults = broken(html)
    pages = len(list(html.rglob("*.html")))
    print("\n".join(faults), f"{pages} pages in {time.monotonic() - began:.0f} s: {html}", sep="\n")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
