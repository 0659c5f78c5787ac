"""`tb-lossdiag docs`: the manual that is in the package, in a browser or in the terminal."""

from __future__ import annotations

import argparse
import os
import sys
import webbrowser

from rich.console import Console
from rich.markdown import Markdown

from tb_lossdiag.cli.output import put, say
from tb_lossdiag.manual import address, markdown, meant, written
from tb_lossdiag.process.caches import own_caches
from tb_lossdiag.visible import visible


def run(arguments: argparse.Namespace) -> int:
    """Open a page, or print it where no browser is.

    Raises:
        ValueError: there is no such page.
        OSError: the copy cannot be written.
    """
    name, language = meant(arguments.page), arguments.lang
    if arguments.text or not _sees_a_browser():
        _print(name, language)
        say(f"the same on the site: {address(name, language)}")
        return 0
    folder = own_caches() / "docs" / language
    written(language, folder)
    page = (folder / f"{name}.html").resolve()
    Console(highlight=False, soft_wrap=True).print(str(page), markup=False)
    say(f"the same on the site: {address(name, language)}")
    webbrowser.open(page.as_uri())
    return 0


def _print(name: str, language: str) -> None:
    """For people as people read it, for another program as it was written."""
    out, text = Console(highlight=False), markdown(name, language)
    if out.is_terminal:
        out.print(Markdown(visible(text, keep="\n"), hyperlinks=False))
    else:
        put(out, text)


def _sees_a_browser() -> bool:
    """Whether somebody sits before this machine; a browser in the terminal would take it over."""
    if not sys.stdout.isatty():
        return False
    if sys.platform in {"win32", "darwin"}:
        return "SSH_CONNECTION" not in os.environ
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
