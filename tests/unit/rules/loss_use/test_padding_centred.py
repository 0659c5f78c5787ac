from __future__ import annotations

import numpy as np
import pytest

from helpers.rule_asserts import findings, findings_if_any, first_evidence, the_finding
from made.check_ups import with_tables
from made.healthy import healthy_run
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.quantities import PADDING_CENTRED
from tb_lossdiag.records import table
from tb_lossdiag.rules.loss_use.padding_centred import PaddingCentred
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = PaddingCentred()


def shifted(*shifts: float) -> Run:
    """Check-ups that know what mean the weights that count have."""
    steps = 2 ** np.arange(len(shifts))
    return with_tables(healthy_run(1), [table(PADDING_CENTRED, steps, np.array(shifts))])


SICK = shifted(2.0, 3.0, 4.0)


def test_says_how_far() -> None:
    message = the_finding(RULE, SICK).message.en
    assert "In 3 check-ups" in message
    assert "a mean of 3 of their standard deviations" in message
    assert first_evidence(RULE, SICK).quantity == PADDING_CENTRED.name


@pytest.mark.parametrize(
    ("shifts", "fires"),
    [
        ((0.0,) * 8, False),
        ((0.49,) * 8, False),
        ((0.51,) * 3, True),
        ((-0.51,) * 3, True),
        ((2.0, 2.0, 0.0), False),
        ((2.0, 2.0, 2.0, 0.0, 0.0, 0.0), False),
    ],
)
def test_the_bounds(shifts: tuple[float, ...], fires: bool) -> None:
    assert bool(findings(RULE, shifted(*shifts))) is fires


def test_two_check_ups_are_too_few() -> None:
    assert outcome(RULE, shifted(3.0, 3.0)).verdict is Verdict.NOT_EVALUATED


@pytest.mark.parametrize("seed", range(6))
def test_clear_on_healthy_runs(seed: int) -> None:
    assert not findings_if_any(RULE, healthy_run(seed))
