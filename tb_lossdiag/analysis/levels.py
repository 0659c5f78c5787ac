"""Stretches of records, and levels that single records cannot move."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tb_lossdiag.records import Doubles, Steps

Bools = npt.NDArray[np.bool_]

_COLUMNS = 64
"""Columns whose medians are taken at once."""
_GAUSS = 1.4826
"""Standard deviation of a normal distribution over its median absolute deviation."""


class Span(NamedTuple):
    """A closed interval of record numbers."""

    first: int
    last: int

    @property
    def size(self) -> int:
        """Number of records in it."""
        return self.last - self.first + 1

    @property
    def records(self) -> slice:
        """As an index into an array of records."""
        return slice(self.first, self.last + 1)

    def ends(self, steps: Steps) -> tuple[int, int]:
        """First and last step."""
        return int(steps[self.first]), int(steps[self.last])


def spans(mask: Bools, least: int) -> list[Span]:
    """Intervals of consecutive True records, at least `least` long.

    >>> spans(np.array([True, True, False, True]), 2)
    [Span(first=0, last=1)]
    """
    padded = np.concatenate(([0], mask.astype(np.int8), [0]))
    edges = np.flatnonzero(np.diff(padded)).tolist()
    found = (Span(first, end - 1) for first, end in zip(edges[::2], edges[1::2], strict=True))
    return [span for span in found if span.size >= least]


def longest(mask: Bools, least: int) -> Span | None:
    """The longest such interval, the earlier of two equal ones."""
    return max(spans(mask, least), key=lambda span: span.size, default=None)


def covered(span: Span, steps: Steps) -> float:
    """Share of the steps that the records of an interval stand for: those of a quick machine stand for ever more.

    >>> covered(Span(0, 3), np.array([0, 1, 2, 3, 7, 11]))
    0.3333333333333333
    """
    each = np.diff(steps, prepend=steps[0] - 1)
    return float(each[span.records].sum() / each.sum())


def median(values: npt.NDArray[Any], axis: int = -1) -> Doubles:
    """Median along an axis, NaN left out; NaN where nothing is left."""
    size = values.shape[axis]
    if values.ndim == 2 and axis == 0 and values.shape[1] > _COLUMNS:  # noqa: PLR2004  (a matrix)
        return np.concatenate([median(part) for part in _transposed(values)])
    if size == 0:
        return np.full(np.delete(values.shape, axis), np.nan)
    if not np.isnan(values).any():
        middle = (size - 1) // 2, size // 2
        ordered = np.partition(values, sorted(set(middle)), axis=axis)
        low, high = (ordered.take(place, axis).astype(np.float64) for place in middle)
        return np.asarray((low + high) / 2)
    ordered = np.sort(values, axis=axis)  # NaN go last
    count = (~np.isnan(ordered)).sum(axis=axis, keepdims=True)
    lower = np.take_along_axis(ordered, np.maximum(count - 1, 0) // 2, axis).astype(np.float64)
    upper = np.take_along_axis(ordered, np.minimum(count // 2, size - 1), axis)
    both: Doubles = ((lower + upper) / 2).squeeze(axis)
    return both


def _transposed(values: npt.NDArray[Any]) -> Iterator[npt.NDArray[Any]]:
    """A few columns at a time as rows, which are in one piece in memory: several times quicker, and little to hold."""
    for first in range(0, values.shape[1], _COLUMNS):
        yield np.ascontiguousarray(values[:, first : first + _COLUMNS].T)


def level(values: npt.NDArray[Any], width: int) -> Doubles:
    """float64[T]: median over the `width` records up to and including each; fewer at the front."""
    padded = np.concatenate((np.full(width - 1, np.nan), values.astype(np.float64)))
    return median(np.lib.stride_tricks.sliding_window_view(padded, width))


def noise(values: npt.NDArray[Any]) -> float:
    """Standard deviation from record to record, untouched by trend and outliers; 0 for fewer than 3 records."""
    finite = values[np.isfinite(values)].astype(np.float64)
    if len(finite) < 3:  # noqa: PLR2004
        return 0.0
    return float(_GAUSS / np.sqrt(2) * np.median(np.abs(np.diff(finite))))


def history(values: npt.NDArray[Any], least: int) -> Doubles:
    """float64[T]: median over everything earlier, in blocks (at most 200, so that long runs stay quick).

    NaN for the first block, which has no past; a block is at least `least` records.
    """
    size = max(least, -(-len(values) // 200))
    starts = range(0, len(values), size)
    levels = np.array([float(median(values[start : start + size])) for start in starts])
    past = np.array([float(median(levels[:block])) for block in range(len(levels))])
    return np.repeat(past, size)[: len(values)]
