"""What all ranks know, in a few numbers: what the others have, who is furthest from them. Numbers in, numbers out: for any count of ranks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.collect.ranks.share import Share
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.records import Doubles

Found = dict[Quantity, float]
_SAME = 1e-12
"""Of two sums of the same numbers: more than rounding."""


def gathered(shares: Sequence[Share], *, sharded: bool = False) -> Found:
    """The quantities of `quantities/ranks.py`; those that nobody knows are left out.

    Args:
        shares: of each rank, in their order.
        sharded: whether a forward pass waits for other ranks, so that it is not counted.
    """
    of = dict(zip(Share._fields, np.array(shares, np.float64).T, strict=True))
    own = of["wait"] if sharded else of["wait"] + of["forward"]
    found = {q.RANK_COUNT: float(len(shares)), q.RANK_STEPS: _middle(of["steps"])}
    found |= _losses(of["loss"], of["std"])
    found |= _broken(of["broken"], of["loss"])
    found |= _seconds(own, of["wait"])
    found |= _scored(of["scored"])
    found |= _batches(of["batch"], of["fresh"])
    found |= _troubles(of["troubles"])
    return {quantity: value for quantity, value in found.items() if not np.isnan(value)}


def _losses(mean: Doubles, std: Doubles) -> Found:
    known = np.flatnonzero(np.isfinite(mean))
    if len(known) < 2:  # noqa: PLR2004
        return {}
    away = np.array([abs(mean[rank] - _others(mean, int(rank))) for rank in known])
    furthest = known[away >= away.max()]  # of two ranks, both
    worst = int(furthest[np.argmax(mean[furthest])])
    others = _others(mean, worst)
    rest = np.delete(mean, worst)
    return {
        q.RANK_LOSS_OTHERS: others,
        q.RANK_LOSS_WORST: float(mean[worst]),
        q.RANK_LOSS_WORST_RANK: float(worst),
        q.RANK_LOSS_SPREAD: _middle(np.abs(rest - others)),
        q.RANK_LOSS_STD: _middle(std),
    }


def _broken(since: Doubles, loss: Doubles) -> Found:
    bad = np.flatnonzero(np.isfinite(since))
    if not (len(bad) or np.isfinite(loss).any()):
        return {}
    first = bad[since[bad] >= since[bad].max()] if len(bad) else bad
    only = float(first[0]) if len(first) == 1 else np.nan
    return {q.RANK_BROKEN: float(len(bad)), q.RANK_BROKEN_FIRST: only}


def _seconds(own: Doubles, wait: Doubles) -> Found:
    known = np.flatnonzero(np.isfinite(own))
    if len(known) < 2:  # noqa: PLR2004
        return {}
    worst = int(known[np.argmax(own[known])])
    return {
        q.RANK_SECONDS_OTHERS: _others(own, worst),
        q.RANK_SECONDS_WORST: float(own[worst]),
        q.RANK_SECONDS_WORST_RANK: float(worst),
        q.RANK_WAIT_EXCESS: float(wait[worst]) - _others(wait, worst),
    }


def _scored(count: Doubles) -> Found:
    known = np.flatnonzero(np.isfinite(count))
    if len(known) < 2:  # noqa: PLR2004
        return {}
    worst = int(known[np.argmin(count[known])])
    return {
        q.RANK_SCORED_OTHERS: _others(count, worst),
        q.RANK_SCORED_WORST: float(count[worst]),
        q.RANK_SCORED_WORST_RANK: float(worst),
    }


def _batches(batch: Doubles, fresh: Doubles) -> Found:
    known = np.flatnonzero(np.isfinite(batch))
    if len(known) < 2:  # noqa: PLR2004
        return {}
    order = known[np.argsort(batch[known], kind="stable")]
    values = batch[order]
    near = np.abs(np.diff(values)) <= _SAME * np.abs(values[1:])
    shared = np.append(near, False) | np.append(False, near)
    later = order[1:][near]
    return {
        q.RANK_EQUAL_BATCHES: float(shared.mean()),
        q.RANK_EQUAL_RANK: float(later.min()) if len(later) else np.nan,
        q.RANK_FRESH_BATCHES: float(np.nanmean(fresh)) if np.isfinite(fresh).any() else np.nan,
    }


def _troubles(count: Doubles) -> Found:
    bad = np.flatnonzero(count > 0)
    first = float(bad[0]) if len(bad) else np.nan
    return {q.RANK_TROUBLED: float(len(bad)), q.RANK_TROUBLED_FIRST: first}


def _others(values: Doubles, rank: int) -> float:
    return _middle(np.delete(values, rank))


def _middle(values: Doubles) -> float:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else np.nan
