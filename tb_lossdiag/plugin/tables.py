"""Tables as bytes, thinned so that no spike is lost: every bucket keeps its extremes and what was not a number."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from tb_lossdiag.plugin.parse import Window
from tb_lossdiag.records import Floats, Table

MAGIC = b"TBLD"
VERSION = 1
NAN, PLUS_INF, MINUS_INF, ZERO, NOTHING = 1, 2, 4, 8, 16
"""Bits of the flags plane."""

Array = npt.NDArray[Any]


def encode(table: Table, nonfinite: Table | None, window: Window) -> bytes:
    """A table in a window.

    Layout: b"TBLD", version u8, three zero bytes, header length u32, JSON header padded with spaces to 8, then the arrays that the
    header lists, each at its offset behind the header, little-endian and aligned to 8.

    Args:
        table: T records of C columns.
        nonfinite: counts of non-finite values on the same steps and columns, if recorded.
        window: which steps, and how many buckets at most.
    """
    arrays = thin(table, nonfinite, window)
    body, listed = b"", []
    for name, array in arrays.items():
        listed.append(_described(name, array, len(body)))
        body += _padded(array.tobytes(), b"\0")
    header = {
        "quantity": table.quantity.name,
        "unit": table.quantity.unit,
        "axis": table.quantity.axis.value,
        "columns": list(table.columns),
        "records": int(_rows(table, window).sum()),
        "buckets": len(arrays["first_step"]),
        "arrays": listed,
    }
    text = json.dumps(header, ensure_ascii=False).encode()
    text += b" " * (-(len(text) + 12) % 8)
    return MAGIC + struct.pack("<B3xI", VERSION, len(text)) + text + body


def thin(table: Table, nonfinite: Table | None, window: Window) -> Mapping[str, Array]:
    """Buckets of a table: first_step, last_step f8[B]; min, max, last f4[C, B]; flags u1[C, B]."""
    inside = _rows(table, window)
    steps, values = table.steps[inside], table.values[inside].T
    broken = _broken(table, nonfinite)[inside].T
    count = min(window.points, len(steps))
    if count == 0:
        return _empty(len(table.columns))
    edges = np.arange(count) * len(steps) // count
    ends = np.append(edges[1:], len(steps)) - 1
    finite = np.where(np.isfinite(values), values, np.nan)
    return {
        "first_step": steps[edges].astype("<f8"),
        "last_step": steps[ends].astype("<f8"),
        "min": np.fmin.reduceat(finite, edges, axis=1).astype("<f4"),
        "max": np.fmax.reduceat(finite, edges, axis=1).astype("<f4"),
        "last": values[:, ends].astype("<f4"),
        "flags": _flags(values, broken, edges),
    }


def _flags(values: Floats, broken: npt.NDArray[np.bool_], edges: Array) -> npt.NDArray[np.uint8]:
    recorded = ~np.isnan(values) | broken
    bits = (
        NAN * (broken & ~np.isinf(values))
        + PLUS_INF * (values == np.inf)
        + MINUS_INF * (values == -np.inf)
    ).astype(np.uint8)
    anything = np.logical_or.reduceat(recorded, edges, axis=1)
    zeros = np.logical_and.reduceat((values == 0) | ~recorded, edges, axis=1) & anything
    merged = np.bitwise_or.reduceat(bits, edges, axis=1)
    flags: npt.NDArray[np.uint8] = (merged | ZERO * zeros | NOTHING * ~anything).astype(np.uint8)
    return flags


def _broken(table: Table, nonfinite: Table | None) -> npt.NDArray[np.bool_]:
    """bool[T, C]: where the training had NaN or Inf."""
    if nonfinite is None:
        return np.zeros(table.values.shape, bool)
    return np.asarray(nonfinite.at(table.steps, table.columns) > 0)


def _rows(table: Table, window: Window) -> npt.NDArray[np.bool_]:
    rows = np.ones(len(table), bool)
    if window.first is not None:
        rows &= table.steps >= window.first
    if window.last is not None:
        rows &= table.steps <= window.last
    return rows


def _empty(columns: int) -> Mapping[str, Array]:
    none = np.zeros((columns, 0), "<f4")
    steps = np.zeros(0, "<f8")
    return {
        "first_step": steps,
        "last_step": steps,
        "min": none,
        "max": none,
        "last": none,
        "flags": none.astype(np.uint8),
    }


def _described(name: str, array: Array, offset: int) -> dict[str, Any]:
    kind = f"{array.dtype.kind}{array.dtype.itemsize}"
    return {"name": name, "dtype": kind, "shape": list(array.shape), "offset": offset}


def _padded(data: bytes, filler: bytes) -> bytes:
    return data + filler * (-len(data) % 8)
