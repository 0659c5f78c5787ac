from __future__ import annotations

import numpy as np
import pytest

from tb_lossdiag.plugin.sparkline import POINTS, sparkline

NAN = float("nan")


@pytest.mark.parametrize(
    ("values", "drawn"),
    [
        ([], ""),
        ([5.0, 5.0], "00"),
        ([NAN, NAN], "--"),
        ([1.0, float("inf"), 0.0], "z-0"),
        ([1.0, 10.0, 100.0, 1000.0], "0bnz"),
        ([-1.0, 0.0, 999.0], "00z"),
    ],
)
def test_a_curve_is_a_word(values: list[float], drawn: str) -> None:
    assert sparkline(np.array(values, np.float32)) == drawn


def test_a_long_curve_keeps_its_last_value() -> None:
    values = np.append(np.linspace(1, 0, 10_000), NAN).astype(np.float32)
    drawn = sparkline(values)
    assert len(drawn) == POINTS
    assert (drawn[0] > drawn[-2], drawn[-1]) == (True, "-")
