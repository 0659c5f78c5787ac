from __future__ import annotations

import numpy as np
import pytest

from helpers.rule_asserts import findings, the_finding
from made.agents import agent, ramp
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.rules.reinforcement.both_fall import BothFall
from tb_lossdiag.testing import outcome

RULE = BothFall()
SICK = agent(chosen_reward=ramp(0.0, -5.0), rejected_reward=ramp(0.0, -8.0))


@pytest.mark.parametrize(
    ("last", "other", "severities"),
    [
        (-4.2, -8.0, [Severity.WARNING]),
        (-3.8, -8.0, [Severity.INFO]),
        (-1.15, -2.0, [Severity.WARNING]),
        (-1.0, -2.0, []),
    ],
)
def test_both_sides_of_fall_and_share(
    last: float, other: float, severities: list[Severity]
) -> None:
    run = agent(chosen_reward=ramp(0.0, last), rejected_reward=ramp(0.0, other))
    assert [one.severity for one in findings(RULE, run)] == severities


@pytest.mark.parametrize(("end", "expected"), [(-2.1, 1), (-1.2, 1), (-0.9, 0)])
def test_a_fall_at_once_that_stays_is_one_and_what_comes_back_is_none(
    end: float, expected: int
) -> None:
    chosen = np.concatenate((ramp(0.0, 0.0, 20), ramp(-2.2, end, 180)))
    assert len(findings(RULE, agent(chosen_reward=chosen, rejected_reward=ramp(0, -5)))) == expected


def test_says_how_far_both_fell() -> None:
    message = the_finding(RULE, SICK).message.en
    assert "fell from -0.239 to -4.76, 63% as far" in message


def test_margins_that_shrink_and_a_fall_that_comes_back() -> None:
    assert not findings(RULE, agent(chosen_reward=ramp(0, -8), rejected_reward=ramp(0, -5)))
    back = np.concatenate((ramp(-9.0, 0.0, 180), np.full(20, -12.0)))
    assert not findings(RULE, agent(chosen_reward=back, rejected_reward=ramp(0, -20)))
    few = agent(19, chosen_reward=0.0, rejected_reward=0.0)
    assert outcome(RULE, few).verdict is Verdict.NOT_EVALUATED
