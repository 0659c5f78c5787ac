from __future__ import annotations

import numpy as np
import pytest

from helpers.rule_asserts import findings
from made.agents import agent, learning, ramp
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.rules.reinforcement.value_blind import ValueBlind
from tb_lossdiag.testing import outcome

RULE = ValueBlind()
SICK = agent(explained_variance=0.0, reward=0.5)


@pytest.mark.parametrize(("explained", "expected"), [(0.04, 1), (-3.0, 1), (0.06, 0)])
def test_both_sides_of_what_it_explains(explained: float, expected: int) -> None:
    found = findings(RULE, agent(explained_variance=explained, reward=0.5))
    assert len(found) == expected
    assert all("reward stands still" in one.message.en for one in found)


@pytest.mark.parametrize(("loss", "expected"), [(2.2, 1), (1.9, 0)])
def test_a_critic_that_gets_worse_while_the_agent_learns(loss: float, expected: int) -> None:
    losses = np.where(np.arange(200) < 100, 1.0, loss)
    run = agent(explained_variance=-0.5, reward=learning(), value_loss=losses)
    found = findings(RULE, run)
    assert len(found) == expected
    assert all("its loss rose from 1 to 2.2" in one.message.en for one in found)


@pytest.mark.parametrize(("end", "expected"), [(0.59, 1), (0.65, 0)])
def test_an_agent_that_only_recovers(end: float, expected: int) -> None:
    fallen = np.concatenate((ramp(0.62, 0.2, 100), ramp(0.2, end, 100)))
    found = findings(RULE, agent(explained_variance=0.0, reward=fallen))
    assert len(found) == expected
    assert all("no higher than it was at first" in one.message.en for one in found)


def test_a_late_critic_of_an_agent_that_learns() -> None:
    assert not findings(RULE, agent(explained_variance=0.0, reward=learning()))
    few = agent(19, explained_variance=0.0, reward=0.5)
    assert outcome(RULE, few).verdict is Verdict.NOT_EVALUATED


@pytest.mark.parametrize(
    ("explained", "entropy", "expected"),
    [(9e-4, 0.66, 1), (2e-3, 0.66, 0), (1e-5, 0.64, 0), (-1e-5, 0.69, 1)],
)
def test_a_reward_that_rises_by_chance(explained: float, entropy: float, expected: int) -> None:
    reward, moved = ramp(22.0, 24.0), ramp(0.69, entropy)
    found = findings(RULE, agent(explained_variance=explained, reward=reward, policy_entropy=moved))
    assert len(found) == expected
    assert all("as undecided as at first" in one.message.en for one in found)
    negated = agent(explained_variance=explained, reward=reward, entropy_loss=-moved)
    assert len(findings(RULE, negated)) == expected
