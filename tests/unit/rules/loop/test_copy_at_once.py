from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from helpers.rule_asserts import findings, the_finding
from made.changes import without
from made.check_ups import with_tables
from made.healthy import healthy_run
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import (
    COPY_DISTANCE,
    COPY_MOVED,
    ORIGINAL_MOVED,
    PARAMETER_NORM,
    UPDATE_NORM,
    VALIDATION_LOSS,
)
from tb_lossdiag.records import table
from tb_lossdiag.rules.loop.copy_out_of_step import CopyOutOfStep
from tb_lossdiag.run import Run

RULE = CopyOutOfStep()
AT = np.array([40, 80, 120, 160, 200, 240])


def followed(behind: npt.ArrayLike, *, gone: float = 0.6, alone: bool = False) -> Run:
    """A network that is so many steps behind the trained one, of which each moves that by 1% of its size."""
    way = np.linspace(0, gone, len(AT))
    run = without(healthy_run(1), VALIDATION_LOSS)
    tables = [
        table(COPY_DISTANCE, AT, np.broadcast_to(0.01 * np.asarray(behind), AT.shape), ("",)),
        table(COPY_MOVED, AT, way, ("",)),
        table(ORIGINAL_MOVED, AT, way, ("",)),
        table(UPDATE_NORM, np.array([0]), [[0.02]], ("a",)),
        table(PARAMETER_NORM, np.array([0]), [[2.0]], ("a",)),
    ]
    if alone:
        tables.append(table(VALIDATION_LOSS, AT - 1, np.ones(len(AT)), ("",)))
    return with_tables(run, tables)


def test_fires_where_an_average_is_the_newest_weights() -> None:
    finding = the_finding(RULE, followed(0.01))
    assert finding.severity is Severity.WARNING
    assert "no further from it than 0.01 times what the last step moved" in finding.message.en
    assert "1 - decay" in finding.advice.en


@pytest.mark.parametrize(
    ("run", "fires"),
    [
        (followed(0.29), True),
        (followed(0.31), False),
        (followed(1.0), False),  # the network of the step before
        (followed(1.49, alone=True), True),
        (followed(1.51, alone=True), False),
        (followed([0.1, 0, 0.1, 0.1, 0.1, 0.1]), False),  # copied now and then
        (followed([0.1, 0.1, 0.1, 0.1, 0.1, 13]), False),
        (followed(0.3, gone=0.07), False),  # steps that take each other back
        (followed(0.25, gone=0.07), True),
        (without(followed(0.01), UPDATE_NORM), False),
    ],
)
def test_the_bounds(run: Run, fires: bool) -> None:
    assert bool(findings(RULE, run)) is fires
