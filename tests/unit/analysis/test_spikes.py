from __future__ import annotations

import numpy as np
import pytest

from tb_lossdiag.analysis.spikes import baseline, suspects


def test_nothing_is_expected_before_there_are_enough_records() -> None:
    level = baseline(np.ones((40, 1)), 128, 32).level[:, 0]
    assert np.isnan(level[:32]).all()
    assert (level[32:] == 1).all()


def test_level_and_spread_of_a_factor_of_noise() -> None:
    values = np.random.default_rng(0).lognormal(1.0, 0.3, (400, 3))
    before = baseline(values, 128, 64)
    assert np.nanmedian(before.level) == pytest.approx(np.e, rel=0.15)
    assert np.nanmedian(before.spread) == pytest.approx(0.3, rel=0.2)
    assert np.nanmax(np.abs(before.deviation(values))) < 6


def test_a_trend_is_not_spread() -> None:
    values = np.geomspace(100, 1, 300)[:, None]
    assert np.nanmax(baseline(values, 128, 64).spread) < 0.02


def test_a_slow_rise_lifts_the_level() -> None:
    values = np.concatenate((np.ones(100), np.geomspace(1, 100, 100)))[:, None]
    ratio = (values / baseline(values, 128, 64).level)[100:, 0]
    assert np.nanmax(ratio) < 2


def test_what_is_not_finite_or_not_positive_does_not_count() -> None:
    values = np.ones((100, 1))
    values[::2] = np.nan
    values[1::4] = -np.inf
    assert np.isnan(baseline(values, 128, 64).level).all()
    assert (baseline(values, 128, 16).level[64:] == 1).all()


@pytest.mark.parametrize("seed", range(6))
def test_whoever_jumps_is_a_suspect_with_the_same_baseline(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.lognormal(0, 0.4, (3000, 20)).astype(np.float32)
    values[rng.integers(0, 3000, 40), rng.integers(0, 20, 40)] *= 100
    odd = rng.choice(np.array([np.nan, np.inf, 0.0], np.float32), values.shape)
    values = np.where(rng.random(values.shape) < 0.1 * (seed % 3), odd, values)
    values[:, 0] = 0.0
    whole = baseline(values.astype(np.float64), 128, 64)
    jumps = np.isfinite(values) & (values >= 10 * whole.level)
    found = np.zeros_like(jumps)
    for rows, columns, before in suspects(values, 128, 64, 10.0):
        found[rows, columns] = True
        np.testing.assert_array_equal(before.level[0], whole.level[rows.start, columns])
        np.testing.assert_array_equal(before.spread[0], whole.spread[rows.start, columns])
    assert jumps.any()
    assert not (jumps & ~found).any()
    assert found.mean() < 0.5
