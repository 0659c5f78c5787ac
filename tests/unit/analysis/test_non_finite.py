from __future__ import annotations

import numpy as np
import pytest

from tb_lossdiag.analysis.non_finite import last_finite
from tb_lossdiag.quantities import GRADIENT_NONFINITE, LOSS_NONFINITE
from tb_lossdiag.records import table
from tb_lossdiag.run import Run

NAN = float("nan")


@pytest.mark.parametrize(
    ("counts", "last"),
    [
        ([0, 0, 0, 0], None),
        ([0, 1, 0, 0], None),
        ([0, 0, 1, 1], 1),
        ([0, 0, 1, NAN], 1),
        ([0, NAN, 1, 2], 0),
        ([1, 1, 1, 1], -1),
        ([NAN, NAN, NAN, NAN], None),
        ([NAN, 0, NAN, 3], 1),
    ],
)
@pytest.mark.parametrize("length", [1, 300])
def test_the_last_step_before_it_stays_broken(
    counts: list[float], last: int | None, length: int
) -> None:
    """Each count stands for `length` records, so that runs are longer than what is looked at at once."""
    values = np.repeat(counts, length)[:, None] * [1.0, 0.0]
    run = Run(
        "r", {"gradient_nonfinite": table(GRADIENT_NONFINITE, range(len(values)), values, "ab")}
    )
    expected = last if last is None or last < 0 else (last + 1) * length - 1
    assert last_finite(run) == expected


def test_the_earlier_of_loss_and_gradient_counts() -> None:
    tables = [
        table(LOSS_NONFINITE, [0, 1, 2, 3], [0.0, 0.0, 1.0, 1.0]),
        table(GRADIENT_NONFINITE, [0, 1, 2, 3], [0.0, 1.0, 1.0, 1.0], ("w",)),
    ]
    assert last_finite(Run("r", {t.quantity.name: t for t in tables})) == 0
    assert last_finite(Run("r", {})) is None
