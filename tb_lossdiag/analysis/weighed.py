"""Whether a total follows its terms by other weights than those that were recorded."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tb_lossdiag.records import Doubles

_WINDOW = 8
"""Records for each number that is fitted; weights that are learned hardly change over a few dozen steps."""
_LEAST = 3
"""Windows; between two of them anything is a change."""
_LEFT = 0.02
"""Share of the variance that may be left: what nobody recorded leaves most of its own."""
_CHANGE = 0.1
"""Of the weight; a constant one was reported wrongly, or applied wrongly."""


@dataclass(frozen=True)
class OtherWeights:
    """What a change of the term that counts most makes of the total, over what its recorded weight says.

    Attributes:
        index: which term that is.
        first: in the first window.
        last: in the last one.
    """

    index: int
    first: float
    last: float


def other_weights(total: Doubles, parts: Doubles) -> OtherWeights | None:
    """The weights that a total follows its terms by, if they change along the run.

    In each window the total is fitted by a constant, a slope and the terms; learned weights and what is added for them move slowly.

    Args:
        total: float64[T].
        parts: float64[T, C]; weight times term.
    """
    records = _WINDOW * (parts.shape[1] + 2)
    starts = range(0, len(total) - records + 1, records)
    if len(starts) < _LEAST:
        return None
    fits = [_fit(total[at : at + records], parts[at : at + records]) for at in starts]
    if not all(left <= _LEFT for left, _ in fits):
        return None
    factors = np.array([found for _, found in fits])
    index = int(np.argmax(np.abs(factors * parts.std(axis=0)).sum(axis=0)))
    seen = factors[:, index]
    if np.ptp(seen) < _CHANGE * np.abs(seen).max() or seen.min() <= 0:
        return None
    return OtherWeights(index, float(seen[0]), float(seen[-1]))


def _fit(total: Doubles, parts: Doubles) -> tuple[float, Doubles]:
    """Share of the variance about a slope that the terms leave, and their factors."""
    line = np.column_stack([np.ones(len(total)), np.linspace(0, 1, len(total))])
    without, _ = _left(line, total)
    left, factors = _left(np.column_stack([line, parts]), total)
    return left / max(without, 1e-30), factors[2:]


def _left(columns: Doubles, total: Doubles) -> tuple[float, Doubles]:
    factors = np.linalg.lstsq(columns, total, rcond=None)[0].astype(np.float64)
    return float(np.square(total - columns @ factors).sum()), factors
