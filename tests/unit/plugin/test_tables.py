"""Thinning keeps extremes and every kind of "no number"."""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tb_lossdiag.plugin.parse import Window
from tb_lossdiag.plugin.tables import MINUS_INF, NAN, NOTHING, PLUS_INF, ZERO, encode, thin
from tb_lossdiag.quantities import GRADIENT_NONFINITE, GRADIENT_NORM, LOSS
from tb_lossdiag.records import Table, table

EVERYTHING = Window(None, None, 1200)


def decode(data: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    magic, version, length = struct.unpack("<4sB3xI", data[:12])
    assert (magic, version, (12 + length) % 8) == (b"TBLD", 1, 0)
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
    arrays = thin(table(LOSS, np.arange(len(values)), values), None, Window(None, None, points))
    assert arrays["min"].min() == np.float32(min(values))
    assert arrays["max"].max() == np.float32(max(values))
    assert arrays["last"][0, -1] == np.float32(values[-1])
    assert arrays["first_step"][0] == 0
    assert arrays["last_step"][-1] == len(values) - 1


def test_what_is_no_number_is_told_apart() -> None:
    values = [[np.nan], [np.nan], [np.inf], [-np.inf], [0.0], [1.0]]
    counts = [[3.0], [np.nan], [0.0], [0.0], [0.0], [0.0]]
    data: Table = table(GRADIENT_NORM, range(6), values, ["w"])
    flags = thin(data, table(GRADIENT_NONFINITE, range(6), counts, ["w"]), EVERYTHING)["flags"]
    assert flags.tolist() == [[NAN, NOTHING, PLUS_INF, MINUS_INF, ZERO, 0]]


def test_the_window_cuts_and_an_empty_one_is_empty() -> None:
    data = table(LOSS, range(10), np.arange(10.0))
    header, arrays = decode(encode(data, None, Window(3, 5, 10)))
    assert header["records"] == 3
    assert arrays["first_step"].tolist() == [3.0, 4.0, 5.0]
    header, arrays = decode(encode(data, None, Window(50, None, 10)))
    assert header["buckets"] == 0
    assert arrays["max"].shape == (1, 0)


def test_names_of_any_script_survive() -> None:
    names = ["<b>", "层"]
    header, _ = decode(encode(table(GRADIENT_NORM, [0], [[1, 2]], names), None, EVERYTHING))
    assert header["columns"] == names
