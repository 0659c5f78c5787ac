from __future__ import annotations

import numpy as np

from tb_lossdiag.quantities import LOSS, PARAMETER_NORM
from tb_lossdiag.records import Run, table
from tb_lossdiag.rules.sparse import latest, windowed

NORMS = table(
    PARAMETER_NORM, [10, 20, 30], np.array([[1.0, np.nan], [np.nan, 5.0], [3.0, 6.0]]), ("a", "b")
)


def test_latest_holds_the_last_value_of_each_column() -> None:
    steps = np.array([5, 10, 19, 20, 29, 30, 99])
    held = latest(NORMS, steps)
    assert held[:, 0].tolist() == [1, 1, 1, 1, 1, 3, 3]
    assert held[:, 1].tolist() == [5, 5, 5, 5, 5, 6, 6]


def test_latest_of_a_column_that_is_not_there() -> None:
    assert np.isnan(latest(NORMS, np.array([10, 20]), ["c"])).all()
    assert latest(NORMS, np.array([30]), ["b", "a"]).tolist() == [[6, 3]]


def test_windowed_records_have_a_spread() -> None:
    steps = [0, 1, 2]
    plain = Run("r", {LOSS.name: table(LOSS, steps, [1, 2, 3])})
    assert windowed(plain, LOSS).tolist() == [False, False, False]
    most, least = (
        table(LOSS.highest(), steps, [1, 2, 5]),
        table(LOSS.lowest(), steps, [1, 2, 2]),
    )
    tables = {**plain.tables, most.quantity.name: most, least.quantity.name: least}
    assert windowed(Run("r", tables), LOSS).tolist() == [False, False, True]
