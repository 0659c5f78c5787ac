from __future__ import annotations

import numpy as np
import pytest

from made.logs import log
from tb_lossdiag.quantities import INPUT_MEAN, INPUT_STD, LABEL_COUNT
from tb_lossdiag.records import Floats, Table, table
from tb_lossdiag.report.data_differences import data_differences
from tb_lossdiag.run import Run

CHECKS = np.arange(0, 200, 20)


def seen(*tables: Table) -> Run:
    own = {each.quantity.name: each for each in tables}
    return Run("run", {**log(np.ones(200)).tables, **own})


def inputs(mean: float, std: float, seed: int = 0) -> Run:
    rng = np.random.default_rng(seed)
    spread = rng.normal(0, 0.02, (2, len(CHECKS)))
    return seen(
        table(INPUT_MEAN, CHECKS, mean + spread[0]), table(INPUT_STD, CHECKS, std + spread[1])
    )


def labels(*counts: float) -> Run:
    each: Floats = np.tile(np.array(counts, np.float32), (len(CHECKS), 1))
    return seen(table(LABEL_COUNT, CHECKS, each, [str(place) for place in range(len(counts))]))


def rows(a: Run, b: Run) -> dict[str, tuple[str, str]]:
    return {name: (left, right) for name, left, right in data_differences(a, b)}


def test_inputs_that_are_scaled_otherwise_are_named_with_both_levels() -> None:
    found = rows(inputs(0.0, 1.0), inputs(0.5, 0.3, seed=1))
    assert set(found) == {"input_mean, usual", "input_std, usual"}
    assert float(found["input_std, usual"][1]) == pytest.approx(0.3, abs=0.02)


def test_batches_of_the_same_data_do_not_differ() -> None:
    assert not rows(inputs(0.0, 1.0), inputs(0.0, 1.0, seed=1))
    assert not rows(inputs(0.0, 1.0), seen())


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ((10, 10, 12), (10, 11, 11), set()),
        ((10, 10, 12, 0.5), (10, 11, 11, 0), set()),
        ((16, 16), (11, 11, 10), {"classes in the targets"}),
        ((16, 16), (28, 4), {"share of the commonest class"}),
        ((0, 0), (16, 16), set()),
    ],
)
def test_classes_differ_beyond_the_chance_of_batches(
    a: tuple[float, ...], b: tuple[float, ...], expected: set[str]
) -> None:
    assert set(rows(labels(*a), labels(*b))) == expected
