"""A kill at any moment loses a second of steps or 64 of them at most, and never the step that is not finite."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Iterable
from itertools import product
from pathlib import Path

import pytest
from torture.child import started
from torture.conftest import Measured
from torture.killed import FEW, KINDS, SECONDS, SOURCE, Clock, Lost, breaks, newest, taken_over

LONGEST = 4.0
"""Seconds after its first step at which a training is killed, at most."""
SOONEST = (0.0, 0.01, 0.1, 0.5, 1.2)
"""Seconds from the broken step to the kill."""
BREAKING = ("fast", "quick", "after a million steps, fast", "wide")


def killed(folder: Path, kind: str, wait: float, by: int = signal.SIGKILL) -> Lost:
    """Kill a training some seconds after its first step; what was lost, which is the same for readers and the next writer."""
    run, clock = _begun(folder)
    with started(SOURCE, run, folder / "clock", kind) as process:
        clock.wait(0)
        time.sleep(wait)
        process.send_signal(by)
        assert process.wait(60) == -by
    last = newest(run)
    taken_over(run)
    assert newest(run) == last
    return clock.lost(last)


def broken(folder: Path, kind: str, where: str, step: int, wait: float) -> bool:
    """Kill a training some seconds after the step that is not finite; whether exactly that one is recorded, for both."""
    run, clock = _begun(folder)
    with started(SOURCE, run, folder / "clock", kind, where, step) as process:
        clock.wait(step)
        time.sleep(wait)
        process.kill()
        process.wait(60)
    found = breaks(run, where)
    taken_over(run)
    return found == breaks(run, where) == {step}


def _begun(folder: Path) -> tuple[Path, Clock]:
    run = folder / "runs" / "killed"
    run.mkdir(parents=True)
    return run, Clock(folder / "clock")


def _figure(lost: Iterable[Lost]) -> str:
    """The number that counts: the most that a kill has cost."""
    most = max(lost, key=lambda lost: (not lost.bearable, lost.seconds))
    return f"at most {most.seconds:.2f} s lost ({most.steps} steps)"


@pytest.mark.parametrize(
    "kind", ["fast", "after a million steps, slow", "after a million steps, fast"]
)
def test_a_kill_costs_a_second_at_most(tmp_path: Path, kind: str) -> None:
    assert killed(tmp_path, kind, 1.9).bearable


@pytest.mark.parametrize(
    ("kind", "where"), [("after a million steps, fast", "gradient"), ("quick", "loss")]
)
def test_the_step_that_is_not_finite_is_there_at_once(
    tmp_path: Path, kind: str, where: str
) -> None:
    assert broken(tmp_path, kind, where, 150, 0.0)


@pytest.mark.torture
@pytest.mark.parametrize("kind", KINDS)
def test_kills_cost_a_second_at_most(tmp_path: Path, kind: str, measured: Measured) -> None:
    moment = random.Random(kind)  # noqa: S311
    waits = [moment.uniform(0, LONGEST if index else 0.1) for index in range(14)]
    lost = [killed(tmp_path / str(index), kind, wait) for index, wait in enumerate(waits)]
    held = sum(one.bearable for one in lost)
    attack = f"kill -9, {kind}: at most {SECONDS:.0f} s or {FEW} steps lost"
    measured(attack, tried=len(lost), held=held, figure=_figure(lost))
    assert held == len(lost), lost


@pytest.mark.torture
def test_sigterm_costs_nothing(tmp_path: Path, measured: Measured) -> None:
    moment = random.Random(15)  # noqa: S311
    lost = [
        killed(tmp_path / f"{kind}{index}", kind, moment.uniform(0, LONGEST), signal.SIGTERM)
        for kind, index in product(KINDS, range(3))
    ]
    held = sum(one.steps <= 0 for one in lost)
    measured("SIGTERM: nothing lost, died of it", tried=len(lost), held=held, figure=_figure(lost))
    assert held == len(lost), lost


@pytest.mark.torture
def test_no_step_that_is_not_finite_is_lost(tmp_path: Path, measured: Measured) -> None:
    moment = random.Random(50)  # noqa: S311
    tried = [
        (kind, where, moment.randint(0, 400), wait)
        for kind, where, wait in (*product(BREAKING, ("loss", "gradient"), SOONEST),)
    ]
    tried += [("quick", "gradient", moment.randint(0, 400), 0.0) for _ in range(10)]
    missed = [one for i, one in enumerate(tried) if not broken(tmp_path / str(i), *one)]
    held = len(tried) - len(missed)
    measured("kill -9, NaN in the file at its step", tried=len(tried), held=held)
    assert not missed
