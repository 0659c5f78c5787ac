"""Thinning keeps extremes and every kind of "no number"."""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tb_lossdiag.plugin.query import Window
from tb_lossdiag.plugin.table_bytes import (
    MATRIX,
    MINUS_INF,
    NAN,
    NOTHING,
    PLUS_INF,
    ZERO,
    WindowedTable,
    encode,
    thin,
)
from tb_lossdiag.quantities import GRADIENT_NONFINITE, GRADIENT_NORM, LOSS
from tb_lossdiag.records import Table, table
from tb_lossdiag.run import Run

EVERYTHING = Window(None, None, 1200)


def layers(data: Table, *others: Table) -> WindowedTable:
    run = Run("run", {t.quantity.name: t for t in (data, *others)})
    return WindowedTable.of(run, data.quantity)


def decode(data: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    magic, version, length = struct.unpack("<4sB3xI", data[:12])
    assert (magic, version, (12 + length) % 8) == (b"TBLD", 2, 0)
    header = json.loads(data[12 : 12 + length])
    body = data[12 + length :]
    arrays = {}
    for item in header["arrays"]:
        assert item["offset"] % 8 == 0
        count = int(np.prod(item["shape"]))
        flat = np.frombuffer(body, "<" + item["dtype"], count, item["offset"])
        arrays[item["name"]] = flat.reshape(item["shape"])
    return header, arrays


@given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=300), st.integers(1, 50))
def test_no_extreme_is_lost(values: list[float], points: int) -> None:
    arrays = thin(layers(table(LOSS, np.arange(len(values)), values)), Window(None, None, points))
    assert arrays["min"].min() == np.float32(min(values))
    assert arrays["max"].max() == np.float32(max(values))
    assert arrays["last"][0, -1] == np.float32(values[-1])
    assert values[int(arrays["peak_step"][0, arrays["max"][0].argmax()])] == max(values)
    assert arrays["first_step"][0] == 0
    assert arrays["last_step"][-1] == len(values) - 1


def test_what_is_no_number_is_told_apart() -> None:
    values = [[np.nan], [np.nan], [np.inf], [-np.inf], [0.0], [1.0]]
    counts = [[3.0], [np.nan], [0.0], [0.0], [0.0], [0.0]]
    data: Table = table(GRADIENT_NORM, range(6), values, ["w"])
    broken = table(GRADIENT_NONFINITE, range(6), counts, ["w"])
    flags = thin(layers(data, broken), EVERYTHING)["flags"]
    assert flags.tolist() == [[NAN, NOTHING, PLUS_INF, MINUS_INF, ZERO, 0]]


def test_the_window_cuts_and_an_empty_one_is_empty() -> None:
    data = table(LOSS, range(10), np.arange(10.0))
    header, arrays = decode(encode(layers(data), Window(3, 5, 10)))
    assert header["records"] == 3
    assert arrays["first_step"].tolist() == [3.0, 4.0, 5.0]
    header, arrays = decode(encode(layers(data), Window(50, None, 10)))
    assert header["buckets"] == 0
    assert arrays["max"].shape == (1, 0)


def test_names_of_any_script_survive() -> None:
    names = ["<b>", "层"]
    header, _ = decode(encode(layers(table(GRADIENT_NORM, [0], [[1, 2]], names)), EVERYTHING))
    assert header["columns"] == names


def windowed(
    values: list[float], high: list[float], low: list[float], lag: list[float]
) -> WindowedTable:
    """Records of 10 steps each."""
    steps = np.arange(1, len(values) + 1) * 10 - 1
    parts = {
        GRADIENT_NORM.highest(): high,
        GRADIENT_NORM.lowest(): low,
        GRADIENT_NORM.highest_lag(): lag,
    }
    tables = [table(quantity, steps, v, ["w"]) for quantity, v in parts.items()]
    return layers(table(GRADIENT_NORM, steps, values, ["w"]), *tables)


def test_what_happened_inside_a_record_of_many_steps_survives() -> None:
    data = windowed([1, 1, 1], high=[1, 500, 1], low=[1, 0.01, 1], lag=[0, 7, 0])
    arrays = thin(data, Window(None, None, 1))
    assert arrays["max"].tolist() == [[500]]
    assert arrays["min"].tolist() == [[np.float32(0.01)]]
    assert arrays["peak_step"].tolist() == [[12]]
    assert arrays["last"].tolist() == [[1]]
    assert decode(encode(data, EVERYTHING))[0]["windows"] is True


def test_an_infinity_inside_a_record_is_seen_and_a_window_with_a_number_is_not_zero() -> None:
    data = windowed([0, 0, 0], high=[0, np.inf, 3], low=[0, 0, 0], lag=[0, 1, 0])
    assert thin(data, EVERYTHING)["flags"].tolist() == [[ZERO, PLUS_INF, 0]]


def test_a_matrix_brings_medians_and_only_what_a_heat_map_needs() -> None:
    data = table(GRADIENT_NORM, range(3), [[1.0, np.inf], [2.0, 5.0], [9.0, np.nan]], ["a", "b"])
    header, arrays = decode(encode(layers(data), EVERYTHING, MATRIX))
    assert arrays["median"].tolist() == [2, 5]
    assert set(arrays) == {"first_step", "last_step", "max", "flags", "median"}
    assert header["columns"] == ["a", "b"]


def test_some_columns_alone() -> None:
    data = layers(table(GRADIENT_NORM, range(2), [[1, 2, 3], [4, 5, 6]], ["a", "b", "c"]))
    header, arrays = decode(encode(data.only([2, 0]), EVERYTHING))
    assert header["columns"] == ["c", "a"]
    assert arrays["last"].tolist() == [[3, 6], [1, 4]]


def test_a_derived_table_keeps_the_extremes_inside_its_records_where_they_are_known() -> None:
    last = table(LOSS, [9, 19], [0.5, 1.0])
    low, high = table(LOSS, [9, 19], [0.1, np.nan]), table(LOSS, [9, 19], [0.9, np.nan])
    ranging = WindowedTable.ranging(last, low, high)
    assert ranging.windows
    assert ranging.low[:, 0].tolist() == pytest.approx([0.1, 1.0])
    assert ranging.high[:, 0].tolist() == pytest.approx([0.9, 1.0])
    assert not WindowedTable.ranging(last, last, last).windows
