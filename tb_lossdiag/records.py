"""What a training leaves behind: quantities, records, tables and runs.

Everything recorded is one idea: a *quantity* (what is measured, in which unit) over *columns* (what it is measured of: a
parameter, a loss term, the whole run) at *steps*. A `Record` is one step of one quantity, a `Table` all steps of it, a `Run` all
tables of one training. Nothing here knows about torch, TensorBoard or files.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from tb_lossdiag.quantities import Quantity, frame_quantities

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Steps = npt.NDArray[np.int64]
T = TypeVar("T")


@dataclass(frozen=True)
class Record:
    """One quantity at one step.

    Attributes:
        quantity: what was measured.
        columns: what of, C names without repetition (not checked here: this is made at every step).
        values: float32[C]; NaN = not recorded.
    """

    quantity: Quantity
    columns: tuple[str, ...]
    values: Floats

    def __post_init__(self) -> None:
        """Check the shape once, so that nothing downstream has to."""
        if self.values.shape != (len(self.columns),):
            msg = f"{self.quantity.name}: {len(self.columns)} columns, values of shape {self.values.shape}"
            raise ValueError(msg)


@dataclass(frozen=True)
class Table:
    """One quantity over a run.

    Attributes:
        quantity: what was measured.
        columns: C names; parameters in the order of `named_parameters()`, so the index is the depth.
        steps: int64[T], strictly increasing.
        walltimes: float64[T], seconds since the epoch.
        values: float32[T, C]; NaN = not recorded.
    """

    quantity: Quantity
    columns: tuple[str, ...]
    steps: Steps
    walltimes: Doubles
    values: Floats

    def __post_init__(self) -> None:
        """Check shapes and order once."""
        shape = (len(self.steps), len(self.columns))
        if self.values.shape != shape or self.walltimes.shape != self.steps.shape:
            msg = f"{self.quantity.name}: values {self.values.shape}, expected {shape}"
            raise ValueError(msg)
        if np.any(self.steps[1:] <= self.steps[:-1]):
            msg = f"{self.quantity.name}: steps must increase"
            raise ValueError(msg)

    def __len__(self) -> int:
        """Number of records T."""
        return len(self.steps)

    @property
    def unknown(self) -> bool:
        """Whether an optional quantity has no value at all, which counts as not recorded."""
        return self.quantity.optional and bool(np.isnan(self.values).all())

    @cached_property
    def places(self) -> Mapping[str, int]:
        """Index of each column."""
        return {name: index for index, name in enumerate(self.columns)}

    def column(self, name: str) -> Floats:
        """float32[T] of one column; all NaN if there is no such column."""
        place = self.places.get(name)
        return np.full(len(self), np.nan, np.float32) if place is None else self.values[:, place]

    def at(self, steps: Steps, columns: Sequence[str] | None = None) -> Floats:
        """float32[len(steps), C]: the values at these steps and columns, NaN where not recorded. Not to be written to."""
        wanted = self.columns if columns is None else tuple(columns)
        rows = np.searchsorted(self.steps, steps)
        rows = np.minimum(rows, max(len(self) - 1, 0))
        found = self.steps[rows] == steps if len(self) else np.zeros(len(steps), bool)
        if wanted == self.columns and found.all():
            whole = len(steps) == len(self) and bool(np.all(np.diff(steps) > 0))
            return self.values if whole else self.values[rows]
        values: Floats = np.full((len(steps), len(wanted)), np.nan, np.float32)
        places = np.array([self.places.get(name, -1) for name in wanted], np.int64)
        there = np.flatnonzero(places >= 0)
        if len(self.columns):
            values[np.ix_(found, there)] = self.values[np.ix_(rows[found], places[there])]
        return values


def table(
    quantity: Quantity,
    steps: npt.ArrayLike,
    values: npt.ArrayLike,
    columns: Sequence[str] = ("",),
    walltimes: npt.ArrayLike | None = None,
) -> Table:
    """Build a table from anything array-like; float32[T] values become one column.

    >>> from tb_lossdiag.quantities import LOSS
    >>> table(LOSS, [0, 1], [2.0, 1.5]).values.shape
    (2, 1)
    """
    at: Steps = np.asarray(steps, np.int64)
    matrix: Floats = np.asarray(values, np.float32).reshape(len(at), -1)
    times: Any = at if walltimes is None else walltimes
    return Table(quantity, tuple(columns), at, np.asarray(times, np.float64), matrix)


@dataclass(frozen=True)
class FrameBlock:
    """Several steps of quantities that share a frame.

    Attributes:
        columns: C names.
        steps: int64[n], not decreasing; a step given k times counts k times.
        walltimes: float64[n], seconds since the epoch.
        values: float32[n, C] by quantity, all of one frame.
    """

    columns: tuple[str, ...]
    steps: Steps
    walltimes: Doubles
    values: Mapping[Quantity, Floats]

    @property
    def frame(self) -> str:
        """The frame of all its quantities."""
        return next(iter(self.values)).frame


@dataclass(frozen=True)
class FrameRecord:
    """A frame's values at one step.

    Attributes:
        frame: its name.
        columns: C names.
        values: float32[C, Q], Q as `frame_quantities(frame)`; NaN = not recorded.
        given: which of the Q are given, None for all; the others keep what the step already has.
    """

    frame: str
    columns: tuple[str, ...]
    values: Floats
    given: tuple[int, ...] | None = None


def frame_records(records: Iterable[Record]) -> list[FrameRecord]:
    """Records of a step as parts, in the order they came."""
    found: dict[tuple[str, tuple[str, ...]], list[Record]] = {}
    for record in records:
        found.setdefault((record.quantity.frame, record.columns), []).append(record)
    return [_part(frame, columns, some) for (frame, columns), some in found.items()]


def _part(frame: str, columns: tuple[str, ...], records: list[Record]) -> FrameRecord:
    quantities = frame_quantities(frame)
    values: Floats = np.full((len(columns), len(quantities)), np.nan, np.float32)
    given = []
    for record in records:
        place = quantities.index(record.quantity)
        values[:, place] = record.values
        given.append(place)
    return FrameRecord(frame, columns, values, tuple(given))
