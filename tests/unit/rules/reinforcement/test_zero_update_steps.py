from __future__ import annotations

import numpy as np
import pytest

from helpers.rule_asserts import findings, the_finding
from made.agents import agent
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.rules.reinforcement.zero_update_steps import ZeroUpdateSteps
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = ZeroUpdateSteps()


def zeros(of_ten: int) -> Run:
    """So many of ten records of the second half have no gradient."""
    rows = np.arange(200)
    return agent(global_norm=np.where((rows >= 100) & (rows % 10 < of_ten), 0.0, 1.0), reward=0.5)


SICK = zeros(10)


@pytest.mark.parametrize(
    ("of_ten", "severities"),
    [(7, [Severity.ERROR]), (6, [Severity.WARNING]), (4, [Severity.WARNING]), (3, [])],
)
def test_both_sides_of_the_share(of_ten: int, severities: list[Severity]) -> None:
    assert [one.severity for one in findings(RULE, zeros(of_ten))] == severities


def test_says_how_many() -> None:
    assert (
        "exactly 0 in 80% of the last half of 200 records" in the_finding(RULE, zeros(8)).message.en
    )


def test_not_evaluated_on_few_records() -> None:
    assert outcome(RULE, agent(19, global_norm=0.0, reward=0.5)).verdict is Verdict.NOT_EVALUATED
