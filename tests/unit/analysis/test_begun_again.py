from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tb_lossdiag.analysis.begun_again import BegunAgain, begun_again
from tb_lossdiag.quantities import STATE_TAKEN_UP
from tb_lossdiag.records import Doubles, Steps, table
from tb_lossdiag.run import Restart, Run

LEAST = 20


def plan(steps: Steps) -> Doubles:
    """A warm-up of 40 steps, along a cosine of 400."""
    rates: Doubles = np.minimum(1.0, (steps + 1) / 40) * (1 + np.cos(np.pi * steps / 400)) / 2
    return rates


def resumed(
    at: int = 280, until: int = 400, *, state: float = 1.0, name: str = "LambdaLR", kind: str = "resumed",
    since: Doubles | None = None,
) -> tuple[Run, tuple[Steps, Doubles]]:  # fmt: skip
    """A run that was resumed at a step, with these rates since; the first is what the optimizer was saved with."""
    steps = np.arange(until)
    rates = plan(np.arange(at))
    since = plan(np.arange(until - at)) if since is None else since
    since = np.concatenate([rates[-1:], since[1:]])
    taken_up = table(STATE_TAKEN_UP, np.array([at]), np.array([[state]]), ("",))
    run = Run("run", {STATE_TAKEN_UP.name: taken_up}, {"scheduler": name})
    run = replace(run, restarts=(Restart(at, 0.0, kind),))
    return run, (steps, np.concatenate([rates, since]))


def test_the_rates_of_the_first_steps_once_more_are_found() -> None:
    run, course = resumed()
    found = begun_again(run, course, LEAST)
    assert isinstance(found, BegunAgain)
    assert found.step == 280
    assert found.low == pytest.approx(float(plan(np.array([279]))[0]))
    assert found.high == pytest.approx(0.977, 0.01)


@pytest.mark.parametrize(
    "sound",
    [
        resumed(since=plan(np.arange(280, 400))),  # goes on
        resumed(state=0.0),  # a new optimizer: another phase, or LD619
        resumed(kind="went back"),
        resumed(name="CosineAnnealingWarmRestarts"),
        resumed(at=120, until=400),  # not half gone: a second warm-up may be meant
        resumed(until=280 + 280),  # the second round has come down again
        resumed(until=295),  # too few records as yet
        resumed(since=0.5 * plan(np.arange(120))),  # a smaller round
        resumed(since=np.full(120, 0.3)),
    ],
)  # fmt: skip
def test_what_goes_on_or_may_be_meant_is_not(sound: tuple[Run, tuple[Steps, Doubles]]) -> None:
    run, course = sound
    assert begun_again(run, course, LEAST) is None


def test_rates_that_come_again_by_themselves_are_not_a_beginning() -> None:
    steps = np.arange(400)
    waves = 1 + np.cos(np.pi * steps / 70)
    run, _ = resumed()
    assert begun_again(run, (steps, waves), LEAST) is None


def test_without_a_restart_or_a_state_there_is_nothing_to_compare() -> None:
    run, course = resumed()
    assert begun_again(replace(run, restarts=()), course, LEAST) is None
    assert begun_again(replace(run, tables={}), course, LEAST) is None
