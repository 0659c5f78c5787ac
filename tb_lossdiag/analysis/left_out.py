"""Terms of the logged loss that `backward()` was not called on."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import at_steps
from tb_lossdiag.analysis.levels import Bools
from tb_lossdiag.records import Doubles, Steps
from tb_lossdiag.run import Run

_EXACT = 1e-4
"""Relative; float32 rounds by 1e-7 in each of a few sums."""
_COUNTS = 100 * _EXACT
"""Share of a sum, 1; a term that small and left out is told from one whose weight was a hundredth."""
_MOST = 8
"""Terms with a path; of more, the sums without some of them are too many to try."""


def left_out(
    run: Run, steps: Steps, logged: Doubles, trained: Doubles, least: int
) -> tuple[tuple[str, ...], Bools]:
    """Names of the terms that are in the logged loss, have a path, and are in none of what was backpropagated; and where one of them counts.

    No names where the two sums are not exactly those in every check-up, or fewer than `least` of these tell them apart.
    Reads `LOSS_TERM_ATTACHED`, `BACKWARDS`, `BACKWARD_NORM`, `STEP_NORM` and `STEP_RATIO_SPREAD` beside terms and weights, if they are there.

    Args:
        run: the run.
        steps: of the check-ups.
        logged: the loss that was logged there.
        trained: what was backpropagated there.
        least: check-ups in which a term that is left out must count.
    """
    nothing: tuple[tuple[str, ...], Bools] = ((), np.zeros(len(steps), bool))
    if q.LOSS_TERM_ATTACHED not in run or q.LOSS_TERM not in run or not _plain(run, steps):
        return nothing
    names = run[q.LOSS_TERM].columns
    values, weights = (run[each].at(steps, names) for each in (q.LOSS_TERM, q.LOSS_WEIGHT))
    parts = (values * weights).astype(np.float64)
    scale: Doubles = np.abs(parts).sum(axis=1)
    known: Bools = np.isfinite(scale)
    whole: Doubles = parts.sum(axis=1)
    if not known.any() or _off(logged, whole, scale)[known].any():
        return nothing
    for places in _choices(run, names):
        missing = parts[:, places]
        counts = known & (np.abs(missing.sum(axis=1)) > _COUNTS * scale)
        each = (known[:, None] & (np.abs(missing) > _COUNTS * scale[:, None])).sum(axis=0)
        rest = whole - missing.sum(axis=1)
        if (each >= least).all() and not _off(trained, rest, scale)[known].any():
            return tuple(names[place] for place in places), counts
    return nothing


def _plain(run: Run, steps: Steps) -> bool:
    """Whether one pass came before each step, and its gradients arrived there as they were, up to one factor.

    Gradients of a term may be put in by hand, or by a pass of its own.
    """
    column = run[q.BACKPROPAGATED].columns[0]
    once = at_steps(run, q.BACKWARDS, steps, column, 1.0) == 1
    spread = at_steps(run, q.STEP_RATIO_SPREAD, steps, column, 0.0)
    came, left = (
        at_steps(run, each, steps, column, 0.0) for each in (q.BACKWARD_NORM, q.STEP_NORM)
    )
    grown = left > (1 + 10 * _EXACT) * came
    return bool(once.all()) and not bool((grown | (spread > 10 * _EXACT)).any())


def _choices(run: Run, names: tuple[str, ...]) -> Iterator[list[int]]:
    """Sets of terms that always have a path, the smallest first; never all terms."""
    table = run[q.LOSS_TERM_ATTACHED]
    always = {name for name in table.columns if (table.column(name) == 1).all()}
    free = [place for place, name in enumerate(names) if name in always]
    for size in range(1, len(names) if len(free) <= _MOST else 1):
        yield from (list(chosen) for chosen in combinations(free, size))


def _off(one: Doubles, other: Doubles, scale: Doubles) -> Bools:
    off: Bools = np.abs(one - other) > _EXACT * scale
    return off
