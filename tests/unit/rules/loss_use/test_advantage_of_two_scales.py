from __future__ import annotations

import numpy as np
import pytest

from helpers.rule_asserts import findings, findings_if_any, first_evidence, the_finding
from made.check_ups import with_tables
from made.healthy import healthy_run
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.quantities import SCALES_APART
from tb_lossdiag.records import table
from tb_lossdiag.rules.loss_use.advantage_of_two_scales import AdvantageOfTwoScales
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = AdvantageOfTwoScales()


def scales(*factors: float) -> Run:
    """Check-ups that know how often the targets' scale goes into the answers'."""
    steps = 2 ** np.arange(len(factors))
    return with_tables(healthy_run(1), [table(SCALES_APART, steps, np.array(factors))])


SICK = scales(1.2, 2.0, 3.0, 4.0)


def test_says_how_far_apart() -> None:
    message = the_finding(RULE, SICK).message.en
    assert "In 3 of 4 check-ups" in message
    assert "count 3 times what" in message
    assert "(steps 2 to 8)" in message
    assert first_evidence(RULE, SICK).quantity == SCALES_APART.name


@pytest.mark.parametrize(
    ("factors", "fires"),
    [
        ((1.0,) * 8, False),
        ((1.49,) * 8, False),
        ((1.51,) * 3, True),
        ((0.66,) * 3, True),
        ((0.68,) * 3, False),
        ((3.0, 3.0, 1.0), False),
        ((1.0, 1.0, 1.0, 1.0, 3.0, 3.0, 3.0), False),
        ((3.0, 3.0, 3.0, 3.0, 1.0), False),
    ],
)
def test_the_bounds(factors: tuple[float, ...], fires: bool) -> None:
    assert bool(findings(RULE, scales(*factors))) is fires


def test_two_check_ups_are_too_few() -> None:
    assert outcome(RULE, scales(3.0, 3.0)).verdict is Verdict.NOT_EVALUATED


@pytest.mark.parametrize("seed", range(6))
def test_clear_on_healthy_runs(seed: int) -> None:
    assert not findings_if_any(RULE, healthy_run(seed))
