"""Terms of a loss whose gradient goes to another model than the one that makes its step with it, and is thrown away there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.records import Steps
from tb_lossdiag.run import Run

_NEEDED = (q.TERM_REACH, q.BACKPROPAGATED, q.REACHING_PASSES, q.THROWN_PASSES, q.LEFT_NORM)
_EXACT = 1e-4
"""Relative; float32 rounds by 1e-7 in each of a few sums."""
_COUNTS = 10 * _EXACT
"""Share of a sum, 1; of a smaller part nobody can tell whether it is in it."""


class Astray(NamedTuple):
    """Such a term.

    Attributes:
        term: its name.
        model: that makes its steps with the sum, and that the term does not reach.
        others: models that it does reach.
        steps: at which that was seen.
    """

    term: str
    model: str
    others: tuple[str, ...]
    steps: Steps


def led_astray(run: Run, least: int) -> Iterator[Astray]:
    """Each term that is part of what was backpropagated before a model's steps, and reaches only models that threw that pass away.

    Reads `TERM_REACH`, `BACKPROPAGATED`, `REACHING_PASSES`, `THROWN_PASSES` and `LEFT_NORM` beside terms and weights, if they are there.

    Args:
        run: the run.
        least: check-ups that must all say so.
    """
    if any(each not in run for each in _NEEDED):
        return
    known = _Reach(run, least)
    for model in known.models:
        heard = [term for term in known.terms if known.always(term, model)]
        deaf = [term for term in known.terms if known.never(term, model)]
        for term in deaf:
            others = tuple(m for m in known.models if known.always(term, m))
            thrown = bool(others) and all(_thrown(run, m, least) for m in others)
            sums = [term, *heard], [*deaf, *heard]
            if heard and thrown and any(_is_sum(run, model, parts, least) for parts in sums):
                yield Astray(term, model, others, run[q.TERM_REACH].steps)


class _Reach:
    """Which terms reach which models, in at least so many records."""

    def __init__(self, run: Run, least: int) -> None:
        self._table, self._least = run[q.TERM_REACH], least
        self.terms, self.models = run[q.LOSS_TERM].columns, run[q.BACKPROPAGATED].columns

    def _seen(self, term: str, model: str) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
        name = q.pair(term, model)
        if name not in self._table.columns:
            return np.zeros(0, np.float32)
        values = self._table.column(name)
        return values[np.isfinite(values)]

    def always(self, term: str, model: str) -> bool:
        seen = self._seen(term, model)
        return len(seen) >= self._least and bool((seen > 0).all())

    def never(self, term: str, model: str) -> bool:
        seen = self._seen(term, model)
        return len(seen) >= self._least and not (seen > 0).any()


def _thrown(run: Run, model: str, least: int) -> bool:
    """Whether gradients of a pass for another one's step were reset, and none ever left, before the model's own pass and step."""
    reached, thrown, left = (
        run[each].at(run[q.REACHING_PASSES].steps, (model,))[:, 0]
        for each in (q.REACHING_PASSES, q.THROWN_PASSES, q.LEFT_NORM)
    )
    reset = (reached > 1) & (thrown >= 1) & (left == 0)
    return int(reset.sum()) >= least and not (left > 0).any()


def _is_sum(run: Run, model: str, terms: Sequence[str], least: int) -> bool:
    """Whether the one pass that reached a model before each step began from the sum of these terms, of which the first counts."""
    table = run[q.BACKPROPAGATED]
    values, weights = (run[each].at(table.steps, terms) for each in (q.LOSS_TERM, q.LOSS_WEIGHT))
    parts = (values * weights).astype(np.float64)
    total, scale = table.column(model), np.abs(parts).sum(axis=1)
    with np.errstate(invalid="ignore"):
        counts = np.abs(parts[:, 0]) > _COUNTS * scale
        off = np.abs(total - parts.sum(axis=1)) > _EXACT * scale
    off |= run[q.REACHING_PASSES].at(table.steps, (model,))[:, 0] != 1
    known = np.isfinite(total) & np.isfinite(scale) & counts
    return int(known.sum()) >= least and not off[known].any()
