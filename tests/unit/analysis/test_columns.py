from __future__ import annotations

import numpy as np
import pytest

from tb_lossdiag.analysis.columns import (
    at_steps,
    column_in_force,
    columns,
    counts_at,
    loss_broke_at,
    not_recorded,
    value_in_force,
)
from tb_lossdiag.quantities import CARRIED_NORM, CLIP_CALLS, LOSS_NONFINITE, ZERO_GRADS
from tb_lossdiag.records import table
from tb_lossdiag.run import Run

NAN = float("nan")
TABLES = (
    table(CARRIED_NORM, [0, 2, 4], [[1, NAN], [NAN, NAN], [np.inf, 3]], ("a", "b")),
    table(CLIP_CALLS, [0, 2, 4], [2, NAN, -1], ("clip",)),
    table(LOSS_NONFINITE, [0, 8], [0, 3]),
    table(LOSS_NONFINITE.highest_lag(), [0, 8], [0, 5]),
)
RUN = Run("r", {t.quantity.name: t for t in TABLES})
STEPS = np.array([0, 1, 2, 3, 4])


def test_only_finite_values_are_seen() -> None:
    assert [
        (s.column, s.steps.tolist(), s.values.tolist()) for s in columns(RUN, CARRIED_NORM)
    ] == [
        ("a", [0], [1.0]),
        ("b", [4], [3.0]),
    ]
    assert not list(columns(RUN, ZERO_GRADS))


def test_values_beside_at_and_before_a_step() -> None:
    np.testing.assert_equal(at_steps(RUN, CARRIED_NORM, STEPS, "b"), [NAN, NAN, NAN, NAN, 3.0])
    np.testing.assert_equal(at_steps(RUN, ZERO_GRADS, STEPS, "", 7.0), np.full(5, 7.0))
    np.testing.assert_equal(
        column_in_force(RUN, CARRIED_NORM, STEPS, "a"), [1.0, 1.0, 1.0, 1.0, np.inf]
    )
    np.testing.assert_equal(column_in_force(RUN, ZERO_GRADS, STEPS), np.full(5, NAN))
    assert value_in_force(RUN, CARRIED_NORM, 3, "a") == 1


def test_what_is_no_count_is_zero() -> None:
    np.testing.assert_equal(
        counts_at(RUN, CLIP_CALLS, STEPS, "clip", 1.0), [2.0, 1.0, 1.0, 1.0, 0.0]
    )


def test_the_exact_step_at_which_the_loss_broke() -> None:
    assert loss_broke_at(RUN) == 3
    assert loss_broke_at(Run("r")) == np.inf


@pytest.mark.parametrize(
    ("language", "names"),
    [
        ("en", "none of gradient norm left from before, gradients were reset recorded: "),
        ("zh", "先前残留的梯度范数、梯度是否已清零一项都没有记录："),
    ],
)
def test_says_what_is_missing_in_words(language: str, names: str) -> None:
    assert not_recorded(CARRIED_NORM, ZERO_GRADS).needs.in_language(language).startswith(names)
