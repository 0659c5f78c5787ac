from __future__ import annotations

import numpy as np
import pytest

from helpers.rule_asserts import findings, the_finding
from made.agents import agent, learning, ramp
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.rules.reinforcement.entropy_explosion import EntropyExplosion
from tb_lossdiag.testing import outcome

RULE = EntropyExplosion()
FALLS = ramp(0.8, 0.1)
SICK = agent(policy_entropy=ramp(0.3, 4.0), reward=FALLS)


def test_says_what_rose_and_what_fell() -> None:
    message = the_finding(RULE, SICK).message.en
    assert "rises still, while the reward falls, from 0.415 to 0.133" in message
    held = agent(
        policy_entropy=ramp(0.3, 4.0), reward=learning(), held_out_score=ramp(0.8, 0.1, 20)
    )
    assert "while the held-out score falls" in the_finding(RULE, held).message.en


@pytest.mark.parametrize(
    ("first", "last", "expected"), [(0.2, 1.1, 1), (0.2, 1.0, 0), (1.0, 3.5, 1), (1.0, 3.3, 0)]
)
def test_both_sides_of_level_and_growth(first: float, last: float, expected: int) -> None:
    assert len(findings(RULE, agent(policy_entropy=ramp(first, last), reward=FALLS))) == expected


def test_a_rise_that_settles_or_pays() -> None:
    settled = np.concatenate((ramp(0.3, 4.0, 100), np.full(100, 4.0)))
    assert not findings(RULE, agent(policy_entropy=settled, reward=FALLS))
    assert not findings(RULE, agent(policy_entropy=ramp(0.3, 4.0), reward=learning()))
    assert not findings(RULE, agent(policy_entropy=ramp(0.3, 4.0), reward=0.5))
    few = agent(19, policy_entropy=1.0, reward=0.5)
    assert outcome(RULE, few).verdict is Verdict.NOT_EVALUATED
