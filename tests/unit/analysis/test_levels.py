from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tb_lossdiag.analysis.levels import Span, history, level, longest, median, noise, spans


@given(st.lists(st.booleans(), max_size=60), st.integers(1, 5))
def test_spans_are_the_long_runs_of_true(mask: list[bool], least: int) -> None:
    found = spans(np.array(mask, bool), least)
    inside = {record for span in found for record in range(span.first, span.last + 1)}
    assert all(mask[record] for record in inside)
    assert all(span.size >= least for span in found)
    for span in found:
        assert span.first == 0 or not mask[span.first - 1]
        assert span.last == len(mask) - 1 or not mask[span.last + 1]
    if least == 1:
        assert inside == {record for record, true in enumerate(mask) if true}


def test_longest_takes_the_earlier_of_two() -> None:
    mask = np.array([1, 1, 0, 1, 1, 0, 1], bool)
    assert longest(mask, 1) == Span(0, 1)
    assert longest(mask, 3) is None


def test_ends_are_steps() -> None:
    assert Span(1, 3).ends(np.array([0, 10, 20, 30])) == (10, 30)


@given(st.lists(st.one_of(st.floats(-1e6, 1e6), st.just(np.nan)), min_size=1, max_size=30))
def test_median_is_numpys_without_nan(values: list[float]) -> None:
    known = [value for value in values if not np.isnan(value)]
    expected = np.median(known) if known else np.nan
    assert float(median(np.array(values))) == pytest.approx(expected, nan_ok=True)


def test_median_of_nothing_is_nan() -> None:
    assert np.isnan(median(np.empty((3, 0)), axis=1)).all()
    assert median(np.empty((0, 2)), axis=0).shape == (2,)


def test_level_ignores_single_records() -> None:
    values = np.ones(20)
    values[7] = 1e9
    assert (level(values, 3) == 1).all()
    assert len(level(np.array([2.0]), 5)) == 1


def test_noise_sees_no_trend_and_no_outlier() -> None:
    rng = np.random.default_rng(0)
    values = np.linspace(0, 100, 5000) + rng.normal(0, 1, 5000)
    values[100] = 1e6
    assert noise(values) == pytest.approx(1, rel=0.1)
    assert noise(values[:2]) == 0


def test_history_knows_only_the_past() -> None:
    past = history(np.concatenate((np.full(50, 1.0), np.full(50, 9.0))), 10)
    assert np.isnan(past[:10]).all()
    assert (past[10:60] == 1).all()


@pytest.mark.parametrize("share", [0.0, 0.02, 0.5])
@pytest.mark.parametrize("shape", [(7,), (8,), (9, 5), (40, 200), (1, 3)])
@pytest.mark.parametrize("axis", [0, -1])
def test_median_is_that_of_what_is_there(shape: tuple[int, ...], axis: int, share: float) -> None:
    rng = np.random.default_rng(0)
    values = rng.lognormal(0, 1, shape).astype(np.float32)
    values[rng.random(shape) < share] = np.nan
    values[..., -1] = np.inf if share else 1.0
    found = median(values, axis=axis)
    assert found.dtype == np.float64
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of slices without a value
        np.testing.assert_array_equal(found, np.nanmedian(values.astype(np.float64), axis=axis))


def test_median_of_nothing_is_unknown() -> None:
    assert np.isnan(median(np.zeros((0, 100)), axis=0)).all()
    assert np.isnan(median(np.full((3, 100), np.nan), axis=0)).all()
    assert np.isnan(median(np.zeros(0)))
