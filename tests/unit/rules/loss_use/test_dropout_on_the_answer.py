from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from helpers.rule_asserts import findings, the_finding
from made.healthy import healthy_run
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.quantities import CALL_DROPPED
from tb_lossdiag.records import table
from tb_lossdiag.rules.loss_use.dropout_on_the_answer import DropoutOnTheAnswer
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = DropoutOnTheAnswer()


def dropped(shares: list[float]) -> Run:
    """A distance, so many of whose answers were made 0, check-up by check-up."""
    run, steps = healthy_run(1), 2 ** np.arange(len(shares))
    made = table(CALL_DROPPED, steps, np.array(shares)[:, None], ("mse_loss",))
    return replace(run, tables={**run.tables, CALL_DROPPED.name: made})


SICK = dropped([0.2, 0.15, 0.25])


def test_says_how_many() -> None:
    message = the_finding(RULE, SICK).message.en
    assert "20% of the answers that `mse_loss` is given are exactly 0" in message
    assert "(3 check-ups)" in message


@pytest.mark.parametrize(
    ("shares", "fires"),
    [
        ([0.0] * 9, False),
        ([0.029] * 3, False),
        ([0.031] * 3, True),
        ([0.0, 0.0, 0.5], False),
        ([0.0, 0.1, 0.1], True),
    ],
)
def test_the_bounds(shares: list[float], fires: bool) -> None:
    assert bool(findings(RULE, dropped(shares))) is fires


def test_two_check_ups_are_too_few() -> None:
    assert outcome(RULE, dropped([0.5, 0.5])).verdict is Verdict.NOT_EVALUATED
