"""The series that a rule judged: small, with every extreme, and the point that decided."""

from __future__ import annotations

import numpy as np

from tb_lossdiag.diagnosis.judged import MOST_POINTS, with_judged
from tb_lossdiag.diagnosis.rule import Evidence, Text

NAME = Text("ratio")
PIECE = Evidence("loss", "", 500, 900, 2.0, 1.0)


def test_a_short_series_is_kept_as_it_is() -> None:
    steps = np.array([400, 500, 600, 950])
    judged = with_judged(PIECE, NAME, steps, np.array([2.0, 1.0, 1.75, 2.0]), "s").judged
    assert judged is not None
    assert (judged.steps, judged.values) == ((400, 500, 600, 950), (2.0, 1.0, 1.75, 2.0))
    assert (judged.at, judged.unit, judged.name) == (600, "s", NAME)


def test_a_long_series_keeps_its_extremes_its_ends_and_the_point_that_decided() -> None:
    steps = np.arange(10_000)
    values = np.sin(steps / 7.0)
    values[[1234, 8765]] = 50.0, -50.0
    values[700] = 2.0
    judged = with_judged(PIECE, NAME, steps, values).judged
    assert judged is not None
    assert len(judged.steps) <= MOST_POINTS
    assert {0, 700, 1234, 8765, 9999} <= set(judged.steps)
    assert judged.at == 700
    assert list(judged.steps) == sorted(set(judged.steps))


def test_what_is_not_finite_is_left_out_and_nothing_is_no_series() -> None:
    steps = np.arange(3)
    judged = with_judged(PIECE, NAME, steps, np.array([np.nan, 1.0, np.inf])).judged
    assert judged is not None
    assert judged.steps == (1,)
    assert judged.at == 1
    assert with_judged(PIECE, NAME, steps, np.full(3, np.nan)).judged is None
    without = Evidence("loss", "", 0, 1)
    assert with_judged(without, NAME, steps, np.ones(3)) is without


def test_no_point_is_near_what_is_not_finite() -> None:
    endless = Evidence("loss", "", 0, 4, np.inf, 2.0)
    values = np.array([1.0, 2.0, 3.0, np.inf, np.inf])
    assert with_judged(endless, Text("level of the loss"), np.arange(5), values) is endless
