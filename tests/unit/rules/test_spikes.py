from __future__ import annotations

import numpy as np
import pytest

from tb_lossdiag.rules.spikes import baseline


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
