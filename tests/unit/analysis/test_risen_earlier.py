"""A gradient that rises before the loss: both sides of each bound."""

from __future__ import annotations

import numpy as np
import pytest

from tb_lossdiag.analysis.attribution import risen_earlier
from tb_lossdiag.quantities import BREAK_GRADIENT_NORM
from tb_lossdiag.records import table
from tb_lossdiag.run import Run

JUMP = 100


def said(rise: float, steps: int, first: int = 52, last: int = 110, noise: float = 0.0) -> str:
    """What is said where the gradient of `b` is `rise` times its level that many steps before the loss jumps, and on."""
    at = np.arange(first, last)
    values = np.ones((len(at), 2))
    values[at >= JUMP - steps, 1] = rise
    values[at == first, 1] += noise
    made = table(BREAK_GRADIENT_NORM, at, values, ("a", "b"))
    return risen_earlier(Run("run", {BREAK_GRADIENT_NORM.name: made}), JUMP).en


@pytest.mark.parametrize(("rise", "told"), [(3.5, False), (5.0, True)])
def test_by_a_factor(rise: float, told: bool) -> None:
    assert said(rise, 3) == (
        f" 3 steps before, the gradient of `b` was {rise:g} times its level already."
        if told
        else ""
    )


def test_with_the_loss_is_not_before_it() -> None:
    assert not said(9.0, 0)


def test_long_before_is_a_level_of_its_own() -> None:
    assert said(9.0, 14)
    assert not said(9.0, 20)


def test_noise_has_no_level() -> None:
    assert said(9.0, 3, noise=0.5)
    assert not said(9.0, 3, noise=1.5)


def test_few_steps_before_tell_nothing() -> None:
    assert said(9.0, 3, first=77)
    assert not said(9.0, 3, first=78)


def test_steps_of_another_jump_tell_nothing() -> None:
    assert not said(9.0, 3, last=90)
    assert not risen_earlier(Run("run"), JUMP).en
