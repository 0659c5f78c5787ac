"""An exception in any function of ours that runs inside a training ends nothing but its collector, for a while."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest
from torture.child import script
from torture.conftest import Measured

SOURCE = "import sys; from torture.planted import main; main(*sys.argv[1:3], *map(int, sys.argv[3:5]), *sys.argv[5:])"
KINDS = ("plain", "accumulated", "closed", "by hand")
JUDGING = ("tb_lossdiag.rules", "tb_lossdiag.analysis", "tb_lossdiag.diagnosis")
"""Packages whose functions run inside one guard, that of live judging."""
HANDED = 8
"""Steps that may wait for one hand-over in these loops, two at most in one window; what fails then may lose them."""

Outcomes = dict[str, dict[str, Any] | None]


def planted(
    mode: str, kind: str, steps: int, *spared: str, nth: int = 1, limit: float = 3600
) -> Outcomes:
    """What became of the training: first alone, then recorded, then by each place where a failure was planted, or every `nth`."""
    ended = script(SOURCE, mode, kind, steps, nth, *spared, limit=limit)
    assert ended.code == 0, ended.err
    lines = [json.loads(line) for line in ended.out.splitlines()]
    bare, recorded = (line["outcome"] for line in lines[:2])
    assert (recorded["raised"], recorded["weights"]) == ("", bare["weights"])
    return {"": recorded, **{line["place"]: line["outcome"] for line in lines[2:]}}


def harm(outcomes: Outcomes) -> list[str]:
    """What did happen to trainings."""
    plain: Any = outcomes[""]
    return [
        f"{place}: {word}"
        for place, outcome in outcomes.items()
        if (word := _harm(outcome, plain["weights"]))
    ]


def _harm(outcome: dict[str, Any] | None, weights: str) -> str:
    if outcome is None:
        return "hangs"
    if outcome["raised"]:
        return "" if outcome["checking"] else f"ends it: {outcome['raised']}"
    if outcome["hooks"]:
        return "leaves a hook"
    return "" if outcome["weights"] == weights else "changes it"


def lost(outcomes: Outcomes, quantity: str) -> dict[str, list[int]]:
    """Steps of which a number is missing, by place."""
    known: Any = outcomes[""]
    found: dict[str, list[int]] = {}
    for place, outcome in outcomes.items():
        if outcome is not None and not outcome["raised"]:
            gone = known[quantity].keys() - outcome[quantity].keys()
            found |= {place: _steps(gone)} if gone else {}
    return found


def false(outcomes: Outcomes) -> dict[str, list[int]]:
    """Steps with another number than without a failure, by place."""
    known: Any = outcomes[""]
    found: dict[str, list[int]] = {}
    for place, outcome in outcomes.items():
        for quantity in ("norms", "losses"):
            own = {} if outcome is None else outcome.get(quantity, {})
            other = {cell for cell, value in own.items() if known[quantity].get(cell) != value}
            found |= {place: _steps(other)} if other else {}
    return found


def _steps(cells: Iterable[str]) -> list[int]:
    return sorted({int(cell.split()[0]) for cell in cells})


@pytest.mark.timeout(1200)  # seconds on a machine that has them, minutes on one that many share
def test_nothing_of_ours_ends_a_training() -> None:
    """An eighth of the places with every change; all of them, in all kinds of loops, in the torture."""
    outcomes = planted("always", "plain", 10, *JUDGING, nth=8, limit=1100)
    assert len(outcomes) > 90
    assert harm(outcomes) == []


@pytest.mark.torture
@pytest.mark.parametrize("kind", KINDS)
def test_nothing_of_ours_ends_any_training(kind: str, measured: Measured) -> None:
    outcomes = planted("always", kind, 40)
    wrong = harm(outcomes)
    tried = len(outcomes) - 1
    measured(f"an exception in each function, always: {kind}", tried=tried, held=tried - len(wrong))
    assert wrong == []


@pytest.mark.torture
@pytest.mark.parametrize("kind", KINDS)
def test_after_one_failure_recording_goes_on(kind: str, measured: Measured) -> None:
    outcomes = planted("once", kind, 40)
    wrong = harm(outcomes)
    gone = lost(outcomes, "norms"), lost(outcomes, "losses")
    most = max(len(steps) for found in gone for steps in found.values())
    ended = [p for found in gone for p, steps in found.items() if steps[-1] > 30]
    long = [p for found in gone for p, steps in found.items() if len(steps) > HANDED]
    tried = len(outcomes) - 1
    lies = false(outcomes)
    held = tried - len({*wrong, *ended, *long, *lies})
    figure = f"at most {most} steps lost, in {len({*gone[0], *gone[1]})} places any"
    measured(f"an exception in each function, once: {kind}", tried=tried, held=held, figure=figure)
    assert (wrong, ended, long, lies) == ([], [], [], {})
