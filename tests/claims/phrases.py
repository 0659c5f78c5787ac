"""What is claimed in words alone: it broke, it was not learned, it lasts to the end."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.curve import curve_of
from tb_lossdiag.analysis.progress import below_baseline, broke, fall
from tb_lossdiag.diagnosis.rule import Finding
from tb_lossdiag.run import Run

_Holds = Callable[[Run, Finding], bool]


def _lost_at_most(share: float) -> _Holds:
    def holds(run: Run, _: Finding) -> bool:
        lost = fall(run)
        return lost is None or lost <= share

    return holds


def _no_better_later(run: Run, _: Finding) -> bool:
    """The typical loss of the second half is not much below the very first one, or the level of the start."""
    loss = curve_of(run, q.LOSS)
    later = float(np.median(loss.values[loss.row(0.5) :]))
    return later > 0.89 * min(float(loss.values[0]), loss.start)


def _not_learned(run: Run, finding: Finding) -> bool:
    return broke(run) or below_baseline(run) is False or _lost_at_most(0.9)(run, finding)


def _broke(run: Run, _: Finding) -> bool:
    return broke(run)


def _to_the_end(run: Run, finding: Finding) -> bool:
    """The first evidence reaches the last record that has a value."""
    piece = finding.evidence[0]
    table = run.tables[piece.quantity]
    return bool(piece.last_step >= table.steps[~np.isnan(table.column(piece.column))][-1])


def _above_its_best(run: Run, _: Finding) -> bool:
    levels = curve_of(run, q.LOSS).level
    return bool(levels[-1] > np.nanmin(levels) or not np.isfinite(levels[-1]))


def _not_back(run: Run, finding: Finding) -> bool:
    """The end is nearer to what was seen than to what was there before."""
    piece = finding.evidence[0]
    table = run.tables[piece.quantity]
    sizes = np.log(np.fmax(np.abs(table.column(piece.column).astype(np.float64)), 1e-300))
    before = np.nanmedian(sizes[table.steps < piece.first_step][-32:])
    inside = (table.steps >= piece.first_step) & (table.steps <= piece.last_step)
    seen, end = np.nanmedian(sizes[inside]), np.nanmedian(sizes[-3:])
    return not abs(end - before) < abs(end - seen)


def _stands_still(run: Run, finding: Finding) -> bool:
    lost = curve_of(run, q.LOSS).fall_at(np.array([finding.first_step, finding.last_step]))
    return bool(lost[1] - lost[0] < 0.1)


PHRASES: tuple[tuple[str, _Holds], ...] = (
    (r"loss (?:became|is|was) NaN or infinite", _broke),
    (r"has hardly fallen", _lost_at_most(0.5)),
    (r"has lost less than a tenth of its start", _lost_at_most(0.11)),
    (r"is no better than at the start", _no_better_later),
    (r"has not (?:been )?learned|loss hardly falls", _not_learned),
    (r"has left its best level for good", _above_its_best),
    (r"the loss stands still", _stands_still),
    (r"up to the end|stays below", _to_the_end),
    (r"has not come back", _not_back),
)
"""Words, and whether they are so."""


def broken(words: str, run: Run, finding: Finding) -> Iterator[str]:
    """Phrases of a clause that do not hold."""
    for pattern, holds in PHRASES:
        said = re.search(pattern, words)
        if said and not holds(run, finding):
            yield f'"{said[0]}" is not so'
