"""How reports are shown: as text, and as HTML in notebooks."""

from __future__ import annotations

import html
import io
from collections.abc import Iterable, Mapping
from typing import Any

from markdown_it import MarkdownIt
from rich.console import Console, RenderableType

from tb_lossdiag.report.markdown import markdown
from tb_lossdiag.report.plain import plain
from tb_lossdiag.report.text import GLYPHS
from tb_lossdiag.report.words import word

Json = Mapping[str, Any]
_WIDTH = 120
_OUTSIDE = ("html_inline", "html_block", "image", "link", "autolink")
"""What names from elsewhere must not make a notebook do: run, load, lead somewhere."""


def text_of(parts: Iterable[RenderableType], width: int = _WIDTH) -> str:
    """What a terminal would show, without colours."""
    text = io.StringIO()
    console = Console(file=text, width=width, no_color=True, highlight=False)
    for part in parts:
        console.print(part)
    return text.getvalue()


class Shown:
    """What shows itself in a notebook and with `rich.print`; `print` shows the same without colours."""

    def __rich__(self) -> RenderableType:
        """For `rich.print`."""
        raise NotImplementedError

    def __str__(self) -> str:
        """The text of the command line, without colours."""
        return text_of([self.__rich__()])


def html_of(text: str) -> str:
    r"""Markdown as HTML that neither runs nor loads anything.

    >>> html_of("## `a` <b>")
    '<h2><code>a</code> &lt;b&gt;</h2>\n'
    """
    renderer = MarkdownIt("commonmark", {"html": False}).enable("table").disable(list(_OUTSIDE))
    rendered: str = renderer.render(text)
    return rendered


def runs_as_html(runs: Iterable[Json], language: str) -> str:
    """A line per run that unfolds into its report."""
    return "".join(_run(run, language) for run in map(plain, runs))


def _run(run: Json, language: str) -> str:
    status = f"{GLYPHS[run['status']]} {word(run['status'], language)}"
    codes = ", ".join(finding["code"] for finding in run["findings"])
    head = " ".join(filter(None, (status, run["run"], codes)))
    return f"<details><summary>{html.escape(head)}</summary>\n{html_of(markdown([run], language))}</details>\n"


def frame_of(head: Iterable[str], rows: Iterable[tuple[Any, ...]]) -> Any:
    """A `pandas.DataFrame`.

    Raises:
        ImportError: pandas is not installed.
    """
    try:
        import pandas as pd  # noqa: PLC0415  (optional)
    except ImportError as error:
        raise ImportError("to_dataframe needs pandas: pip install pandas") from error
    return pd.DataFrame(list(rows), columns=list(head))
