from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from made.check_ups import with_tables
from made.healthy import healthy_run
from tb_lossdiag.analysis.columns import Sighting
from tb_lossdiag.analysis.copies import steps_behind, validated_alone
from tb_lossdiag.quantities import PARAMETER_NORM, UPDATE_NORM, VALIDATION_LOSS
from tb_lossdiag.records import table
from tb_lossdiag.run import Run

EMPTY = replace(healthy_run(1), tables={})


def stepped() -> Run:
    """Two parameters of norms 3 and 4 and one of another network; a step moves both by 0.05, from 50 on by half of that."""
    names = ("net.a", "net.b", "other.a")
    updates = [[0.03, 0.04, 9.0], [0.015, 0.02, 9.0]]
    return with_tables(
        EMPTY,
        [
            table(UPDATE_NORM, np.array([0, 50]), updates, names),
            table(PARAMETER_NORM, np.array([0]), [[3.0, 4.0, 1.0]], names),
        ],
    )


def seen(*steps: int, column: str = "net") -> Sighting:
    """A copy that is 0.02 away each time."""
    return Sighting(column, np.array(steps), np.full(len(steps), 0.02))


def test_a_distance_in_steps_of_its_own_network() -> None:
    behind = steps_behind(stepped(), seen(0, 10, 50, 51))
    assert behind == pytest.approx([np.nan, 2, 2, 4], nan_ok=True)


@pytest.mark.parametrize(
    ("run", "column"),
    [(stepped(), "third"), (EMPTY, "net"), (with_tables(EMPTY, [stepped()[UPDATE_NORM]]), "net")],
)
def test_unknown_without_its_steps(run: Run, column: str) -> None:
    assert np.isnan(steps_behind(run, seen(10, column=column))).all()


def validated(*steps: int) -> Run:
    """Validations after these steps."""
    losses = np.ones(len(steps))
    return with_tables(EMPTY, [table(VALIDATION_LOSS, np.array(steps), losses, ("",))])


@pytest.mark.parametrize(
    ("run", "alone"),
    [
        (validated(49, 99, 149), True),
        (validated(50, 99, 149), True),
        (validated(49, 149), False),
        (validated(*range(200)), False),
        (validated(49), False),
        (EMPTY, False),
    ],
)
def test_called_in_validations_alone(run: Run, alone: bool) -> None:
    assert validated_alone(run, seen(50, 100)) is alone
