"""Tables as bytes, thinned so that no spike is lost: every bucket keeps its extremes and what was not a number."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tb_lossdiag.plugin.query import Window
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.records import Floats, Steps, Table
from tb_lossdiag.run import Run

MAGIC = b"TBLD"
VERSION = 2
NAN, PLUS_INF, MINUS_INF, ZERO, NOTHING = 1, 2, 4, 8, 16
"""Bits of the flags plane."""
FULL = ("min", "max", "last", "peak_step", "flags")
"""Planes of a line chart."""
MATRIX = ("max", "flags")
"""Planes of a heat map."""

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class WindowedTable:
    """A quantity's table together with what its records keep of the steps they cover.

    Attributes:
        table: T records of C columns.
        low: float32[T, C], smallest value of each record's window.
        high: float32[T, C], largest one.
        high_at: int64[T, C], the step of the largest one; None where that is the record's own step.
        broken: bool[T, C], where the training had NaN or Inf.
        windows: whether records cover several steps.
    """

    table: Table
    low: Floats
    high: Floats
    high_at: Steps | None
    broken: npt.NDArray[np.bool_]
    windows: bool

    @classmethod
    def of(cls, run: Run, quantity: Quantity) -> WindowedTable:
        """From a run that has the quantity."""
        table = run[quantity]
        windows = quantity.extremes and quantity.highest().name in run.tables
        return cls(
            table,
            run.lowest(quantity).values if windows else table.values,
            run.highest(quantity).values if windows else table.values,
            run.highest_at(quantity) if windows else None,
            _broken(table, run.tables.get(quantity.nonfinite or "")),
            windows,
        )

    @classmethod
    def plain(cls, table: Table) -> WindowedTable:
        """Of a table whose records stand for their own step alone."""
        nothing = np.zeros(table.values.shape, bool)
        return cls(table, table.values, table.values, None, nothing, windows=False)

    @classmethod
    def ranging(cls, table: Table, low: Table, high: Table) -> WindowedTable:
        """Of a table with the smallest and the largest value of each record's window; where those are not known, its own."""
        least, most = (
            np.where(np.isnan(extreme.values), table.values, extreme.values)
            for extreme in (low, high)
        )
        nothing = np.zeros(table.values.shape, bool)
        windows = bool((most > least).any())
        return cls(table, least, most, None, nothing, windows=windows)

    def only(self, columns: Sequence[int]) -> WindowedTable:
        """The same with these columns alone."""
        names = tuple(self.table.columns[index] for index in columns)
        table = Table(
            self.table.quantity,
            names,
            self.table.steps,
            self.table.walltimes,
            self.table.values[:, columns],
        )
        at = None if self.high_at is None else self.high_at[:, columns]
        return WindowedTable(
            table,
            self.low[:, columns],
            self.high[:, columns],
            at,
            self.broken[:, columns],
            self.windows,
        )


def encode(windowed: WindowedTable, window: Window, planes: Sequence[str] = FULL) -> bytes:
    """A table in a window.

    Layout: b"TBLD", version u8, three zero bytes, header length u32, JSON header padded with spaces to 8, then the arrays that the
    header lists, each at its offset behind the header, little-endian and aligned to 8.

    Args:
        windowed: what was recorded.
        window: which steps, and how many buckets at most.
        planes: which arrays of columns x buckets to send; `MATRIX` brings the median of each column along.
    """
    arrays: dict[str, Array] = dict(thin(windowed, window, planes))
    if tuple(planes) == MATRIX:
        arrays["median"] = medians(windowed.table)
    parts, listed, offset = [], [], 0
    for name, array in arrays.items():
        listed.append(_described(name, array, offset))
        parts.append(_padded(array.tobytes(), b"\0"))
        offset += len(parts[-1])
    text = json.dumps(_header(windowed, window, arrays, listed), ensure_ascii=False).encode()
    text += b" " * (-(len(text) + 12) % 8)
    return b"".join([MAGIC, struct.pack("<B3xI", VERSION, len(text)), text, *parts])


def _header(
    windowed: WindowedTable, window: Window, arrays: Mapping[str, Array], listed: list[Any]
) -> dict[str, Any]:
    table = windowed.table
    return {
        "quantity": table.quantity.name,
        "unit": table.quantity.unit,
        "axis": table.quantity.axis.value,
        "columns": list(table.columns),
        "records": len(table.steps[_rows(table, window)]),
        "buckets": len(arrays["first_step"]),
        "windows": windowed.windows,
        "arrays": listed,
    }


def thin(
    windowed: WindowedTable, window: Window, planes: Sequence[str] = FULL
) -> Mapping[str, Array]:
    """Buckets of a table: first_step, last_step f8[B]; of the planes min, max, last f4[C, B]; peak_step f8[C, B]; flags u1[C, B]."""
    inside = _rows(windowed.table, window)
    steps = windowed.table.steps[inside]
    count = min(window.points, len(steps))
    if count == 0:
        return _empty(len(windowed.table.columns), planes)
    edges = np.arange(count) * len(steps) // count
    ends = np.append(edges[1:], len(steps)) - 1
    cut = _Cut(windowed, inside, edges, ends)
    arrays = {"first_step": steps[edges].astype("<f8"), "last_step": steps[ends].astype("<f8")}
    return {**arrays, **{name: np.ascontiguousarray(cut.plane(name).T) for name in planes}}


@dataclass(frozen=True)
class _Cut:
    """The rows of a window with the bounds of its buckets; every plane comes as [B, C]."""

    windowed: WindowedTable
    inside: slice
    edges: Array
    ends: Array

    def plane(self, name: str) -> Array:
        """One plane by name."""
        plane: Array = getattr(self, f"_{name}")()
        return plane

    def _min(self) -> Array:
        low = np.fmin.reduceat(_finite(self.windowed.low[self.inside]), self.edges, axis=0)
        return np.asarray(low, "<f4")

    def _max(self) -> Array:
        high = np.fmax.reduceat(_finite(self.windowed.high[self.inside]), self.edges, axis=0)
        return np.asarray(high, "<f4")

    def _last(self) -> Array:
        return self.windowed.table.values[self.inside][self.ends].astype("<f4")

    def _peak_step(self) -> Array:
        """The step of the largest value of each bucket."""
        high = np.nan_to_num(_finite(self.windowed.high[self.inside]), nan=-np.inf)
        at = self.windowed.high_at
        steps = self.windowed.table.steps[self.inside]
        peaks = np.empty((len(self.edges), high.shape[1]), "<f8")
        for bucket, (start, end) in enumerate(zip(self.edges, self.ends, strict=True)):
            rows = start + high[start : end + 1].argmax(axis=0)
            peaks[bucket] = (
                steps[rows] if at is None else at[self.inside][rows, np.arange(len(rows))]
            )
        return peaks

    def _flags(self) -> Array:
        table, low, high = self.windowed.table, self.windowed.low, self.windowed.high
        return _flags(
            table.values[self.inside],
            low[self.inside],
            high[self.inside],
            self.windowed.broken[self.inside],
            self.edges,
        )


def _flags(
    values: Floats, low: Floats, high: Floats, broken: npt.NDArray[np.bool_], edges: Array
) -> npt.NDArray[np.uint8]:
    recorded = ~np.isnan(values) | broken
    plus, minus = (values == np.inf) | (high == np.inf), (values == -np.inf) | (low == -np.inf)
    nan = broken & ~plus & ~minus
    bits = (NAN * nan + PLUS_INF * plus + MINUS_INF * minus).astype(np.uint8)
    anything = np.logical_or.reduceat(recorded, edges, axis=0)
    still = (values == 0) & ~(high > 0) & ~(low < 0)
    zeros = np.logical_and.reduceat(still | ~recorded, edges, axis=0) & anything
    merged = np.bitwise_or.reduceat(bits, edges, axis=0)
    flags: npt.NDArray[np.uint8] = (merged | ZERO * zeros | NOTHING * ~anything).astype(np.uint8)
    return flags


def medians(table: Table) -> npt.NDArray[np.float32]:
    """f4[C]: the median of each column's finite values; of long tables, of at most 2000 evenly spread records."""
    values = _finite(table.values[:: max(1, len(table) // 2000)])
    filled = ~np.isnan(values).all(axis=0)
    found = np.full(len(table.columns), np.nan, "<f4")
    if filled.any():
        found[filled] = np.nanmedian(values[:, filled], axis=0)
    return found


def _finite(values: Floats) -> Floats:
    """NaN instead of Inf; a copy only where there is one."""
    infinite = np.isinf(values)
    return np.where(infinite, np.float32(np.nan), values) if infinite.any() else values


def _broken(table: Table, nonfinite: Table | None) -> npt.NDArray[np.bool_]:
    """bool[T, C]: where the training had NaN or Inf."""
    if nonfinite is None:
        return np.zeros(table.values.shape, bool)
    same = nonfinite.columns == table.columns and np.array_equal(nonfinite.steps, table.steps)
    counts = nonfinite.values if same else nonfinite.at(table.steps, table.columns)
    return np.asarray(counts > 0)


def _rows(table: Table, window: Window) -> slice:
    """The rows of the window: a slice, because steps increase and a mask would copy everything."""
    first = 0 if window.first is None else np.searchsorted(table.steps, window.first)
    last = window.last
    end = len(table) if last is None else np.searchsorted(table.steps, last, side="right")
    return slice(int(first), max(int(first), int(end)))


_KINDS = {"peak_step": "<f8", "flags": "u1"}


def _empty(columns: int, planes: Sequence[str]) -> Mapping[str, Array]:
    steps = np.zeros(0, "<f8")
    none = {name: np.zeros((columns, 0), _KINDS.get(name, "<f4")) for name in planes}
    return {"first_step": steps, "last_step": steps, **none}


def _described(name: str, array: Array, offset: int) -> dict[str, Any]:
    kind = f"{array.dtype.kind}{array.dtype.itemsize}"
    return {"name": name, "dtype": kind, "shape": list(array.shape), "offset": offset}


def _padded(data: bytes, filler: bytes) -> bytes:
    return data + filler * (-len(data) % 8)
