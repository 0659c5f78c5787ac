"""What all tables of one training know together."""

from __future__ import annotations

import numpy as np

from tb_lossdiag.quantities import GRADIENT_NORM
from tb_lossdiag.records import table
from tb_lossdiag.run import Run

NORMS = table(GRADIENT_NORM, [10, 20], [[1.0, 2.0], [3.0, 4.0]], ["a", "b"])


def test_the_largest_value_of_a_record_was_at_its_step_less_the_lag() -> None:
    lag = table(GRADIENT_NORM.highest_lag(), [20], [[7.0, np.nan]], ["a", "b"])
    run = Run("run", {t.quantity.name: t for t in (NORMS, lag)})
    assert run.highest_step(GRADIENT_NORM, 1, 0) == 13
    assert run.highest_step(GRADIENT_NORM, 1, 1) == 20, "no lag was recorded"
    assert run.highest_at(GRADIENT_NORM).tolist() == [[10, 10], [13, 20]]


def test_without_lags_it_was_at_the_records_step() -> None:
    run = Run("run", {GRADIENT_NORM.name: NORMS})
    assert run.highest_step(GRADIENT_NORM, 0, 1) == 10
    assert run.highest_at(GRADIENT_NORM).tolist() == [[10, 10], [20, 20]]
