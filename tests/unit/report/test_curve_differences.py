from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from made.changes import changed, scaled
from made.healthy import healthy_run
from tb_lossdiag.quantities import GRADIENT_NORM, LEARNING_RATE, LOSS, VALIDATION_LOSS
from tb_lossdiag.records import table
from tb_lossdiag.report.curve_differences import Parting, partings
from tb_lossdiag.run import Run


def the(found: list[Parting], name: str, column: str = "") -> Parting:
    return next(p for p in found if p.quantity.name == name and p.column == column)


def loss(values: object, steps: object = None) -> Run:
    matrix = np.asarray(values, float)
    at = np.arange(len(matrix)) if steps is None else steps
    return Run("r", {"loss": table(LOSS, at, matrix)})  # type: ignore[arg-type]


def noisy(seed: int, records: int = 200) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    rng = np.random.default_rng(seed)
    level = 0.5 + 2 * np.exp(-5 * np.arange(records) / records)
    return np.asarray(level * rng.lognormal(0, 0.1, records))


def test_a_run_is_identical_to_itself() -> None:
    run = healthy_run(3)
    for parting in partings(run, run):
        assert parting.parts_at is None
        assert parting.first_difference is None
        assert parting.exact


def test_the_first_different_number_and_the_parting_are_two_things() -> None:
    a = noisy(0)
    b = a.copy()
    b[50:] += 1e-4
    b[120:] += 0.8
    found = the(partings(loss(a), loss(b)), "loss")
    assert found.first_difference == 50
    assert found.parts_at == 120


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(20, 400))
def test_two_seeds_of_one_training_do_not_part(seed: int, records: int) -> None:
    a, b = noisy(seed, records), noisy(seed + 1, records)
    assert the(partings(loss(a), loss(b)), "loss").parts_at is None


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(40, 160))
def test_a_lasting_difference_is_found_where_it_begins(seed: int, at: int) -> None:
    a, b = noisy(seed), noisy(seed + 1)
    b[at:] *= 2
    found = the(partings(loss(a), loss(b)), "loss")
    assert found.parts_at is not None
    assert abs(found.parts_at - at) <= 12
    assert found.b > found.a


def apart(seed: int, errors: float) -> bool:
    """Whether levels count as different that are so many standard errors of their median apart."""
    rng, records, width, sd = np.random.default_rng(seed), 200, 10, 0.1
    a, b = 1 + sd * rng.standard_normal((2, records))
    shift = errors * 1.25 * sd * np.sqrt(2 / width)
    return the(partings(loss(a), loss(b + shift)), "loss").parts_at is not None


def test_levels_part_at_about_four_standard_errors() -> None:
    assert sum(apart(seed, 2.0) for seed in range(100)) <= 3
    assert sum(apart(seed, 4.0) for seed in range(100)) >= 85


def test_a_run_that_becomes_nan_parts_at_once() -> None:
    a = noisy(0)
    b = a.copy()
    b[130:] = np.nan
    assert the(partings(loss(a), loss(b)), "loss").parts_at == 130


@pytest.mark.parametrize("every", [7, 13])
def test_other_steps_are_matched_between_neighbours(every: int) -> None:
    steps = np.arange(200)
    a = loss(3.0 - steps / 100, steps)
    b = loss(3.0 - steps[::every] / 100, steps[::every] + 0)
    shifted = loss(3.0 - (steps[::every] + 1) / 100, steps[::every] + 1)
    assert the(partings(a, b), "loss").parts_at is None
    assert the(partings(a, shifted), "loss").parts_at is None


def test_steps_that_never_meet_are_matched_too() -> None:
    even, odd = np.arange(0, 200, 2), np.arange(1, 200, 2)
    near = the(partings(loss(3.0 - even / 100, even), loss(3.0 - odd / 100, odd)), "loss")
    assert (near.exact, near.parts_at) == (False, None)
    apart = the(partings(loss(3.0 - even / 100, even), loss(4.0 - odd / 100, odd)), "loss")
    assert apart.parts_at is not None


def test_of_layers_only_the_first_to_part_is_named() -> None:
    run = healthy_run(1, layers=4)
    factor = np.ones(run[GRADIENT_NORM].values.shape)
    factor[100:, 2] = 50
    factor[150:, 4] = 50
    other = changed(run, GRADIENT_NORM, run[GRADIENT_NORM].values * factor)
    found = [p for p in partings(run, other) if p.quantity is GRADIENT_NORM]
    assert len(found) == 1
    assert found[0].column == run[GRADIENT_NORM].columns[2]
    assert found[0].columns == 2


def test_a_few_validation_records_suffice() -> None:
    run = healthy_run(1)
    other = scaled(run, VALIDATION_LOSS, 3.0)
    found = the(partings(run, other), "validation_loss")
    assert found.parts_at == run[VALIDATION_LOSS].steps[0]


def test_runs_without_anything_in_common_have_no_curves() -> None:
    assert partings(Run("a"), healthy_run(0)) == []
    assert partings(loss([1.0, 2.0]), loss([1.0, 2.0])) == []


def test_a_column_that_only_one_run_has_is_not_compared() -> None:
    def norms(*layers: str) -> Run:
        values = np.ones((40, len(layers)))
        return Run("r", {"gradient_norm": table(GRADIENT_NORM, np.arange(40), values, layers)})

    both = partings(norms("stem", "head"), norms("head", "tail"))
    assert [parting.column for parting in both] == ["head"]
    assert partings(norms("stem"), norms("tail")) == []


def test_a_run_without_a_single_number_has_no_level_between_its_steps() -> None:
    here, there = np.arange(0, 80, 2), np.arange(1, 81, 2)
    found = the(partings(loss(np.full(40, np.nan), here), loss(np.ones(40), there)), "loss")
    assert found.parts_at is not None, "one has no number anywhere"
    assert not found.exact
    assert found.noise == 0.0, "of no difference there is no noise"


def rates(values: object) -> Run:
    matrix = np.asarray(values, float)[:, None]
    return Run("r", {"lr": table(LEARNING_RATE, np.arange(len(matrix)), matrix, ("group 0",))})


def test_a_learning_rate_is_told_as_it_was_set_at_that_step() -> None:
    """Seen: a warm-up that began at 1e-5 was told as "7e-5 at step 0", the level of its first records."""
    warm = np.minimum(1e-5 * np.arange(1, 201), 1e-3)
    (parting,) = partings(rates(warm), rates(np.full(200, 1e-3)))
    assert parting.parts_at == 0
    assert [parting.a, parting.b] == pytest.approx([1e-5, 1e-3])
    decayed = np.where(np.arange(200) < 120, 1e-3, 1e-4)
    (parting,) = partings(rates(np.full(200, 1e-3)), rates(decayed))
    assert parting.parts_at == parting.first_difference == 120
    assert [parting.a, parting.b] == pytest.approx([1e-3, 1e-4])
    (same,) = partings(rates(warm), rates(warm))
    assert same.parts_at is None
