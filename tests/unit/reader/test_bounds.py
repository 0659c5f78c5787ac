"""What a file may say of steps and wall times."""

from __future__ import annotations

import numpy as np

from tb_lossdiag.reader.bounds import countable, plausible
from tb_lossdiag.records import Steps


def test_times_that_are_none_are_their_neighbours() -> None:
    times = np.array([np.nan, 3.0, np.inf, -1e300, 4.0, np.nan])
    assert plausible(times).tolist() == [3.0, 3.0, 3.0, 3.0, 4.0, 4.0]


def test_times_that_are_some_stay_as_they_are() -> None:
    times = np.array([3.0, 2.0, -1.0])
    assert plausible(times) is times
    assert len(plausible(np.zeros(0))) == 0


def test_no_time_at_all_is_no_number() -> None:
    assert np.isnan(plausible(np.array([np.inf, np.nan]))).all()


def test_steps_whose_difference_is_no_number_do_not_count() -> None:
    steps: Steps = np.array([-(2**63), -5, 0, 2**62 - 1, 2**63 - 1])
    assert countable(steps).tolist() == [False, True, True, True, False]
