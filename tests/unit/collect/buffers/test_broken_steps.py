"""What counts as broken before anything is judged: both sides of each bound."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from tb_lossdiag.collect.buffers.broken_steps import BrokenSteps, _median
from tb_lossdiag.quantities import GRADIENT_NONFINITE, LOSS, LOSS_NONFINITE
from tb_lossdiag.records import FrameBlock


def block(first: int, losses: Sequence[float], bad: Sequence[int] = ()) -> FrameBlock:
    steps = np.arange(first, first + len(losses))
    values = np.array(losses, np.float32)[:, None]
    broken = np.isin(steps, bad).astype(np.float32)[:, None]
    return FrameBlock(("",), steps, np.zeros(len(steps)), {LOSS: values, LOSS_NONFINITE: broken})


def calm(count: int, noise: float = 0.1, level: float = 1.0) -> list[float]:
    noises = np.random.default_rng(0).normal(size=count)
    return [float(level * np.exp(noise * one)) for one in noises]


@pytest.mark.parametrize(("peak", "found"), [(1.6, []), (2.5, [30])])
def test_a_loss_that_doubles_is(peak: float, found: list[int]) -> None:
    losses = calm(40)
    losses[30] = peak
    assert BrokenSteps().among(block(0, losses)) == found


def test_what_is_twice_the_newest_of_losses_that_fall_is() -> None:
    """LD103 compares with fewer before it: what it names must have been kept."""
    losses = [float(one) for one in 3.0 * np.exp(-0.003 * np.arange(80))]
    losses[70] = 2.02 * float(np.median(losses[38:70]))
    assert BrokenSteps().among(block(0, losses)) == [70]


def test_a_fall_is_no_noise() -> None:
    """Of a loss that falls to a tenth a leap by as much is one."""
    losses = [float(one) for one in np.exp(-0.05 * np.arange(60)) + 0.05]
    losses[50] = 20 * losses[49]
    assert BrokenSteps().among(block(0, losses)) == [50]


def test_the_first_ones_have_no_level() -> None:
    losses = [1.0] * 30
    losses[10] = 50.0
    assert BrokenSteps().among(block(0, losses)) == []


def test_noise_is_not() -> None:
    assert BrokenSteps().among(block(0, calm(300, noise=0.7))) == []


@pytest.mark.parametrize("level", [0.0, -1.0])
def test_losses_that_are_not_above_zero_have_no_factor(level: float) -> None:
    losses = calm(60, level=level)
    losses[40] = 100.0
    assert BrokenSteps().among(block(0, losses)) == []


def test_a_hard_sample_near_zero_is_not() -> None:
    broken = BrokenSteps()
    assert broken.among(block(0, calm(64))) == []
    assert broken.among(block(64, calm(64, level=0.001))) == []
    assert broken.among(block(128, [*calm(16, level=0.001), 0.05])) == []
    assert broken.among(block(145, [0.5])) == [145]


def test_what_stays_broken_is_no_news() -> None:
    broken = BrokenSteps()
    assert broken.among(block(0, [np.nan] * 20, range(20))) == list(range(8))
    assert broken.among(block(20, [1.0, np.nan], [21])) == [21]


def test_gradients_count_too() -> None:
    values = np.array([[0, 0], [0, 3]], np.float32)
    gradients = FrameBlock(("a", "b"), np.arange(2), np.zeros(2), {GRADIENT_NONFINITE: values})
    assert BrokenSteps().among(gradients) == [1]


@pytest.mark.parametrize("count", [1, 2, 7, 64])
def test_the_middle_is_that_of_numpy(count: int) -> None:
    values = np.random.default_rng(count).normal(size=count)
    assert _median(values) == float(np.median(values))
