"""What each lot of new programs came to when it was first measured: how well the rules do on what they have not met.

A lot's right answers are written down before it is measured, it is measured once, and only then opened and mended. So these figures
cannot be made again from the newest rules; each names the commit at which the lot was run, with one seed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Lot:
    """Programs that were new to the rules.

    Attributes:
        title: which they are.
        commit: of the rules that judged them.
        faults: programs with a fault.
        named: of them, those whose cause was named.
        top: of them, those where nothing else explained it.
        first: of them, those where it came first.
        healthy: programs without one.
        alarmed: of them, those with a warning or an error.
    """

    title: str
    commit: str
    faults: int
    named: int
    top: int
    first: int
    healthy: int
    alarmed: int


LOTS = (
    Lot("75 faults, before any rule was changed for them", "f168f63", 75, 33, 33, 31, 48, 4),
    Lot("the half of 203 that was sealed until 2026-11-29", "9e665a2", 64, 41, 40, 40, 41, 1),
    Lot("fresh public reports (`fresh_reports`)", "04963a7", 10, 7, 7, 7, 5, 1),
    Lot("15 fields, first lot of 2026-11-29 (`sealed_*`)", "962b965", 38, 14, 14, 14, 36, 2),
    Lot("second lot of that day (`sealed_second*`)", "9d68290", 9, 5, 5, 5, 8, 0),
)
NEWEST = LOTS[-2:]
"""Those that stand for what is new to the rules of today."""


def newest() -> Lot:
    """The newest lots together."""
    counts = zip(
        *((x.faults, x.named, x.top, x.first, x.healthy, x.alarmed) for x in NEWEST), strict=True
    )
    return Lot("new programs", NEWEST[-1].commit, *map(sum, counts))


def table() -> Iterator[str]:
    """All lots, in Markdown."""
    yield "| programs | rules of | faults | cause named | healthy | alarmed |"
    yield "|---|---|---|---|---|---|"
    for lot in LOTS:
        named = f"{lot.named} ({100 * lot.named / lot.faults:.0f} %)"
        cells = (lot.title, lot.commit, lot.faults, named, lot.healthy, lot.alarmed)
        yield f"| {' | '.join(map(str, cells))} |"
