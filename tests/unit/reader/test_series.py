from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tb_lossdiag.quantities import LEARNING_RATE, LOSS, LOSS_NONFINITE, LOSS_WEIGHT, VALIDATION_LOSS
from tb_lossdiag.reader.phases import Source
from tb_lossdiag.reader.plan import plan
from tb_lossdiag.reader.series import Series, with_scalars
from tb_lossdiag.run import Run


@dataclass(frozen=True)
class Datum:
    """A value as the data provider gives it."""

    step: int
    wall_time: float
    value: float


def series(steps: list[int], times: list[float] | None = None, limit: int = 0) -> Series:
    """Values equal to their place in the file."""
    when = times or [float(step) for step in steps]
    data = [Datum(s, t, float(i)) for i, (s, t) in enumerate(zip(steps, when, strict=True))]
    return Series.of(data, limit)


def read(**found: Series) -> Run:
    """A run of these tags."""
    by_source = {Source("r", tag.replace("__", "/")): values for tag, values in found.items()}
    chosen = plan({source.tag: source for source in by_source}, {})
    return with_scalars(Run("r"), chosen, by_source)


def test_what_a_resume_undid_is_dropped() -> None:
    found = series([0, 1, 2, 3, 2, 3, 4])
    assert found.steps.tolist() == [0, 1, 2, 3, 4]
    assert found.values.tolist() == [0, 1, 4, 5, 6]


def test_the_last_of_equal_steps_counts() -> None:
    found = series([0, 0, 0])
    assert (found.steps.tolist(), found.values.tolist()) == ([0], [2])


def test_nothing_is_no_series() -> None:
    assert len(series([]).steps) == 0


def test_a_full_reservoir_is_marked() -> None:
    assert series([0, 1, 2], limit=3).thinned
    assert not series([0, 1], limit=3).thinned
    assert not series([0, 1, 2], limit=0).thinned
    run = read(loss=series([0, 1, 2], limit=3), lr=series([0, 1, 2]))
    assert run.facts["thinned"] == "loss"


def test_numbers_that_are_none_are_counted() -> None:
    data = [Datum(0, 0.0, 1.0), Datum(1, 1.0, float("nan")), Datum(2, 2.0, float("inf"))]
    run = read(loss=Series.of(data, 0))
    assert run[LOSS_NONFINITE].values[:, 0].tolist() == [0, 1, 1]
    assert np.isinf(run[LOSS].values[2, 0])


def test_totals_are_the_sum_of_their_terms_where_all_are_there() -> None:
    run = read(train__box_loss=series([1, 2, 3]), train__cls_loss=series([1, 2]))
    assert run[LOSS].steps.tolist() == [1, 2]
    assert run[LOSS].values[:, 0].tolist() == [0, 2]
    assert set(run[LOSS_WEIGHT].values.flatten().tolist()) == {1.0}


def test_epochs_are_placed_on_steps_by_wall_time() -> None:
    steps = list(range(1000))
    epochs = read(
        train__loss=series(steps, [float(s) for s in steps]),
        val__loss=series([1, 2, 3, 4], [250.0, 500.0, 750.0, 999.0]),
    )
    assert epochs[VALIDATION_LOSS].steps.tolist() == [250, 500, 750, 999]
    assert epochs.facts["placed_by_wall_time"] == "validation_loss"


def test_an_early_end_is_no_other_clock() -> None:
    steps = list(range(1000))
    run = read(train__loss=series(steps), val__loss=series([100, 200, 300], [100.0, 200.0, 300.0]))
    assert run[VALIDATION_LOSS].steps.tolist() == [100, 200, 300]
    assert "placed_by_wall_time" not in run.facts


def test_what_cannot_be_placed_is_left_out() -> None:
    steps = list(range(1000))
    run = read(
        train__loss=series(steps, [5.0] * 1000), val__loss=series([1, 2, 3], [5.0, 5.0, 5.0])
    )
    assert VALIDATION_LOSS not in run


def test_our_own_records_win() -> None:
    own = read(loss=series([0, 1]))
    source = Source("r", "loss"), Source("r", "lr")
    chosen = plan({"loss": source[0], "lr": source[1]}, {})
    run = with_scalars(own, chosen, {source[0]: series([7, 8]), source[1]: series([0, 1])})
    assert run[LOSS].steps.tolist() == [0, 1]
    assert run[LEARNING_RATE].columns == ("group 0",)
