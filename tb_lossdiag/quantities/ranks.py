"""What data-parallel ranks have told each other since the comparison before; columns: the name given to `watch`, "" by default.

"The others": the median over all ranks but the one that is named, so that of two ranks it is the other one.
"""

from __future__ import annotations

from tb_lossdiag.quantities import hints
from tb_lossdiag.quantities.quantity import Axis, Quantity


def _told(name: str, unit: str, how: str = hints.RANKS) -> Quantity:
    return Quantity(f"rank_{name}", "ranks", Axis.WATCH, unit, how, optional=True)


_LOSS = f"{hints.RANKS}, and loss= to add_diagnostics there"

RANK_COUNT = _told("count", "ranks")
RANK_STEPS = _told("steps", "steps")
"""Optimizer steps since the comparison before."""

RANK_LOSS_OTHERS = _told("loss_others", "loss", _LOSS)
"""Mean loss of each rank over these steps: the others'."""
RANK_LOSS_WORST = _told("loss_worst", "loss", _LOSS)
"""That of the rank that is furthest from the others; of two, the larger."""
RANK_LOSS_WORST_RANK = _told("loss_worst_rank", "rank", _LOSS)
RANK_LOSS_SPREAD = _told("loss_spread", "loss", _LOSS)
"""Median distance of the others from their median."""
RANK_LOSS_STD = _told("loss_std", "loss", _LOSS)
"""Standard deviation of one rank's losses over these steps, median over ranks."""
RANK_BROKEN = _told("broken", "ranks", _LOSS)
"""Ranks that had a loss which is not finite."""
RANK_BROKEN_FIRST = _told("broken_first", "rank", _LOSS)
"""The rank that had the first; NaN where several had theirs at once, or none."""

RANK_SECONDS_OTHERS = _told("seconds_others", "s")
"""Time from the end of a step to the end of the next forward pass, median over up to eight steps: what a rank does by itself, before
it waits for others. Of a sharded model only to the begin of that pass. The others'."""
RANK_SECONDS_WORST = _told("seconds_worst", "s")
"""That of the slowest rank."""
RANK_SECONDS_WORST_RANK = _told("seconds_worst_rank", "rank")
RANK_WAIT_EXCESS = _told("wait_excess", "s")
"""How much longer than the others' the slowest rank's time is from the end of a step to the begin of the forward pass."""

RANK_SCORED_OTHERS = _told("scored_others", "targets")
"""Targets of the newest step that count in its loss, of class losses; else rows of its targets. The others'."""
RANK_SCORED_WORST = _told("scored_worst", "targets")
"""The fewest that a rank has."""
RANK_SCORED_WORST_RANK = _told("scored_worst_rank", "rank")

RANK_EQUAL_BATCHES = _told("equal_batches", "1")
"""Share of the ranks whose newest batch is also another one's, sample by sample in any order."""
RANK_EQUAL_RANK = _told("equal_rank", "rank")
"""The first of them that isn't the first to have it; NaN without."""
RANK_FRESH_BATCHES = _told("fresh_batches", "1")
"""Share of the ranks whose newest batch is not that of the comparison before."""

RANK_TROUBLED = _told("troubled", "ranks")
"""Ranks on which a part of the recording has failed."""
RANK_TROUBLED_FIRST = _told("troubled_first", "rank")
