"""What was set, as comparisons and groups of runs tell it."""

from __future__ import annotations

import numpy as np

from tb_lossdiag.quantities import BATCH_SIZE, LEARNING_RATE, PARAMETER_SIZE
from tb_lossdiag.records import table
from tb_lossdiag.report.settings import settings
from tb_lossdiag.run import Run


def told(rates: list[float]) -> dict[str, str]:
    tables = [
        table(LEARNING_RATE, range(len(rates)), rates, ["group 0"]),
        table(BATCH_SIZE, [0, 1], [np.nan, 64.0]),
        table(PARAMETER_SIZE, [0], [[30.0, 12.0]], ["a", "b"]),
    ]
    return dict(settings(Run("run", {t.quantity.name: t for t in tables}, {"optimizer": "SGD"})))


def test_a_rate_that_stays_is_told_once() -> None:
    assert told([0.1, 0.1]) == {
        "optimizer": "SGD",
        "learning_rate[group 0], highest": "0.1",
        "batch_size, usual": "64",
        "parameters": "42",
    }


def test_a_schedule_is_told_by_its_ends_and_its_highest() -> None:
    rate = "learning_rate[group 0]"
    known = told([0.01, 0.5, 0.02])
    ends = [known[f"{rate}, {when}"] for when in ("first", "highest", "last")]
    assert ends == ["0.01", "0.5", "0.02"]


def test_what_was_never_a_number_is_not_told() -> None:
    nothing = table(LEARNING_RATE, [0], [np.nan], ["group 0"])
    assert list(settings(Run("run", {nothing.quantity.name: nothing}))) == []
