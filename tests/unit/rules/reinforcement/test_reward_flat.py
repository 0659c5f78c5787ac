from __future__ import annotations

import numpy as np
import pytest

from helpers.rule_asserts import findings, the_finding
from made.agents import agent
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.rules.reinforcement.reward_flat import RewardFlat
from tb_lossdiag.testing import outcome

RULE = RewardFlat()
SICK = agent(reward=0.5, reward_std=np.where(np.arange(200) < 100, 0.3, 0.01))


def test_says_what_is_left() -> None:
    run = agent(reward=0.5, reward_std=np.where(np.arange(200) < 100, 0.3, 0.02))
    finding = the_finding(RULE, run)
    assert finding.severity is Severity.WARNING
    assert "rewards fell from 0.3 to 0.02, 7%" in finding.message.en


@pytest.mark.parametrize(("late", "expected"), [(0.029, 1), (0.031, 0)])
def test_both_sides_of_what_is_left(late: float, expected: int) -> None:
    run = agent(reward=0.5, reward_std=np.where(np.arange(200) < 100, 0.3, late))
    assert len(findings(RULE, run)) == expected


@pytest.mark.parametrize(("zeros", "expected"), [(180, 1), (178, 0)])
def test_rewards_that_are_equal_from_the_start(zeros: int, expected: int) -> None:
    spread = np.where(np.arange(200) < 200 - zeros, 0.3, 0.0)[::-1]
    found = findings(RULE, agent(reward=0.0, reward_std=spread))
    assert [one.severity for one in found] == [Severity.ERROR] * expected


def test_advantages_tell_as_well() -> None:
    run = agent(reward=0.5, reward_std=0.3, advantage_std=np.where(np.arange(200) < 100, 1, 0.02))
    assert "advantages fell" in the_finding(RULE, run).message.en


def test_not_evaluated_without_a_spread() -> None:
    assert outcome(RULE, agent(reward=0.5)).verdict is Verdict.NOT_EVALUATED
    assert outcome(RULE, agent(19, reward=0.5, reward_std=0.0)).verdict is Verdict.NOT_EVALUATED
