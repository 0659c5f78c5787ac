"""How far a status carries, in sentences: which rules could not look, and what would let them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tb_lossdiag.diagnosis import status as words
from tb_lossdiag.report.words import word

Json = Mapping[str, Any]

_SHOWN = 4
"""Ways that are named: what unlocks most comes first."""
_JUDGED = ("clear", "findings")


def sentence(run: Json, language: str) -> str:
    """What a status that is no health rests on; "" for the others."""
    if run["status"] == words.TOO_LITTLE:
        return word("no loss", language)
    if run["status"] != words.NOTHING_FOUND:
        return ""
    outcomes = [outcome["outcome"] for outcome in run["outcomes"] if not outcome["absent"]]
    judged = sum(outcome in _JUDGED for outcome in outcomes)
    return word(
        "judged by", language, judged=judged, all=len(outcomes), rest=len(outcomes) - judged
    )


def unlocked(run: Json, language: str) -> Iterator[str]:
    """What would let more rules judge, most first."""
    for way in run["unlocks"][:_SHOWN]:
        yield word("unlock", language, count=len(way["rules"]), how=way["how"])
