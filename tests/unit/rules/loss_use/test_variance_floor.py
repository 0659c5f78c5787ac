from __future__ import annotations

import numpy as np
import pytest

from helpers.rule_asserts import findings, findings_if_any, first_evidence, the_finding
from made.check_ups import with_tables
from made.healthy import healthy_run
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.quantities import VARIANCE_FLOORED
from tb_lossdiag.records import table
from tb_lossdiag.rules.loss_use.variance_floor import VarianceFloor
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = VarianceFloor()


def floored(*shares: float) -> Run:
    """Check-ups that know how many log variances lie at their floor."""
    steps = 2 ** np.arange(len(shares))
    return with_tables(healthy_run(1), [table(VARIANCE_FLOORED, steps, np.array(shares))])


SICK = floored(0.0, 0.1, 0.6, 0.9)


def test_says_how_many() -> None:
    message = the_finding(RULE, SICK).message.en
    assert "90% of them lie at that floor at the end (step 8)" in message
    assert first_evidence(RULE, SICK).quantity == VARIANCE_FLOORED.name


@pytest.mark.parametrize(
    ("shares", "fires"),
    [
        ((0.0,) * 8, False),
        ((0.24,) * 8, False),
        ((0.0, 0.26, 0.26), True),
        ((0.0, 0.1, 0.9), False),
        ((0.9, 0.9, 0.0), False),
    ],
)
def test_the_bounds(shares: tuple[float, ...], fires: bool) -> None:
    assert bool(findings(RULE, floored(*shares))) is fires


def test_two_check_ups_are_too_few() -> None:
    assert outcome(RULE, floored(0.9, 0.9)).verdict is Verdict.NOT_EVALUATED


@pytest.mark.parametrize("seed", range(6))
def test_clear_on_healthy_runs(seed: int) -> None:
    assert not findings_if_any(RULE, healthy_run(seed))
