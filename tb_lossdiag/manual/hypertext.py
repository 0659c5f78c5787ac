"""A page as HTML that needs nothing from elsewhere: no script, no picture, no font."""

from __future__ import annotations

import html
import posixpath
from collections.abc import Callable, Iterator
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token

from tb_lossdiag.manual.contents import CHAPTERS, HOME, address
from tb_lossdiag.manual.pages import markdown, title

Link = Callable[[str], str]
"""From a page's name to where it lies."""
STYLE = """
:root { color-scheme: light dark }
body { margin: 0 auto; max-width: 46rem; padding: 1rem; font: 16px/1.6 system-ui, sans-serif }
nav { font-size: 0.9rem } nav a, nav strong { margin-inline-end: 0.8em; display: inline-block }
pre { overflow-x: auto; padding: 0.8rem; border: 1px solid #8886; border-radius: 4px; line-height: 1.45 }
code { font: 0.9em ui-monospace, monospace } pre code { font-size: 0.85rem }
table { border-collapse: collapse; display: block; overflow-x: auto }
th, td { padding: 0.3rem 0.6rem; border: 1px solid #8886; text-align: start; vertical-align: top }
""".strip()


def hypertext(name: str, language: str, link: Link) -> str:
    """The page with its menu.

    Args:
        name: one of `names()`.
        language: "en" or "zh-CN".
        link: where another page lies, as the page's links are to say it.
    """
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = parser.parse(markdown(name, language))
    for token in _all(tokens):
        _mend(token, name, language, link)
    body = parser.renderer.render(tokens, parser.options, {})
    head = (
        f"<title>{html.escape(title(name, language))} · Loss Doctor</title><style>{STYLE}</style>"
    )
    view = '<meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    menu = f"<nav>{''.join(_menu(name, language, link))}</nav>"
    return f'<!doctype html>\n<html lang="{language}"><head>{view}{head}</head><body>{menu}<main>{body}</main></body></html>\n'


def _menu(name: str, language: str, link: Link) -> Iterator[str]:
    for page in (HOME, *(page for _, pages in CHAPTERS.values() for page in pages)):
        said = html.escape(title(page, language))
        yield (
            f"<strong>{said}</strong>"
            if page == name
            else f'<a href="{html.escape(link(page))}">{said}</a>'
        )


def _all(tokens: list[Token]) -> Iterator[Token]:
    for token in tokens:
        yield token
        yield from _all(token.children or [])


def _mend(token: Token, name: str, language: str, link: Link) -> None:
    """Links between pages lead to where pages lie; a picture, which is not here, becomes a word about it."""
    target: Any = token.attrGet("href")
    if token.type == "link_open" and isinstance(target, str) and ":" not in target:
        path, _, place = target.partition("#")
        token.attrSet("href", _to(path, name, language, link) + (f"#{place}" if place else ""))
    elif token.type == "image":
        token.type, token.tag, token.content = "text", "", f"[{token.content}]"
        token.children = None


def _to(path: str, name: str, language: str, link: Link) -> str:
    """Where the page lies that a page's Markdown links to; the site, if it is only there."""
    if not path.endswith(".md"):
        return path
    page = posixpath.normpath(posixpath.join(posixpath.dirname(name), path)).removesuffix(".md")
    return address(page, language) if page == "api" else link(page)
