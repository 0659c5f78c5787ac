"""Which links of built pages lead nowhere, on the same site; those to elsewhere are not followed, a build needs no network."""

from __future__ import annotations

from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class Page(HTMLParser):
    """What a page leads to and loads, and the places in it.

    Attributes:
        links: as they are written.
        places: what may stand behind the "#".
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.places = {"", "top"}
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        """Note what the tag names."""
        for name, value in attrs:
            if name in {"href", "src"}:
                self.links.append(value or "")
            elif name in {"id", "name"}:
                self.places.add(value or "")


_read = cache(Page)


def broken(site: Path) -> list[str]:
    """A line for each link that leads nowhere."""
    return [
        f"{path.relative_to(site)}: {link}"
        for path in sorted(site.rglob("*.html"))
        for link in dict.fromkeys(_read(path).links)
        if not _leads(link, path)
    ]


def _leads(link: str, page: Path) -> bool:
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        return parts.scheme in {"https", "http", "mailto", "data"}
    target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
    if not target.is_file():
        return False
    return target.suffix != ".html" or unquote(parts.fragment) in _read(target).places
