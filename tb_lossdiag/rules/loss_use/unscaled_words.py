"""How LD510 writes its numbers."""

from __future__ import annotations

import numpy as np

from tb_lossdiag.diagnosis.rule import Text, short_number
from tb_lossdiag.records import Doubles

_HARMLESS = Text("")


def percent(shares: Doubles) -> str:
    """The middle one of some shares, in percent."""
    return short_number(float(f"{100 * float(np.median(shares)):.2g}"))


def middle(values: Doubles) -> str:
    """The middle one of those that are known."""
    known = values[np.isfinite(values)]
    return short_number(float(np.median(known))) if len(known) else "0"


def filled(text: Text, harm: Text | None, what: dict[str, Text], words: dict[str, str]) -> Text:
    """A message with the harm that was seen, if any."""
    return text.format(harm=harm or _HARMLESS, **what, **words)
