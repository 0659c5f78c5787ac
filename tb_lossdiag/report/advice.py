"""Advice as it stands in a terminal: of many runs with one fault, the same words are laid out once."""

from __future__ import annotations

from collections.abc import Iterable
from weakref import WeakKeyDictionary

from rich.console import Console, ConsoleOptions
from rich.segment import Segment

_MOST = 512
"""Texts that are kept laid out."""
_laid_out: WeakKeyDictionary[Console, dict[tuple[str, str], list[Segment]]] = WeakKeyDictionary()
"""For each console: it may have colours of its own."""


class Advice:
    """A piece of Markdown, as `rich.print` and a console show it.

    Args:
        text: of it.
    """

    def __init__(self, text: str) -> None:
        self._text = text

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterable[Segment]:
        """Its lines, colours and all."""
        from rich.markdown import Markdown  # noqa: PLC0415  (a run without a finding needs none)

        kept = _laid_out.setdefault(console, {})
        key = (self._text, repr(options))
        if key not in kept:
            if len(kept) >= _MOST:
                kept.clear()
            kept[key] = list(console.render(Markdown(self._text, hyperlinks=False), options))
        return kept[key]
