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
    assert "to 3.82 nats while the reward fell from 0.415 to 0.133" in message
    held = agent(
        policy_entropy=ramp(0.3, 4.0), reward=learning(), held_out_score=ramp(0.8, 0.1, 20)
    )
    assert "while the held-out score fell" in the_finding(RULE, held).message.en


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [(0.2, 1.1, 1), (0.2, 1.0, 0), (0.5, 1.75, 1), (0.5, 1.6, 0), (1.0, 2.8, 1), (1.0, 2.6, 0)],
)
def test_both_sides_of_level_and_growth(first: float, last: float, expected: int) -> None:
    assert len(findings(RULE, agent(policy_entropy=ramp(first, last), reward=FALLS))) == expected


def test_a_rise_and_a_fall_that_are_over_by_half() -> None:
    entropy, reward = (
        np.concatenate((ramp(first, last, 100), np.full(100, last)))
        for first, last in ((0.3, 4.0), (0.8, 0.1))
    )
    message = the_finding(RULE, agent(policy_entropy=entropy, reward=reward)).message.en
    assert "fell from 0.733 to 0.1" in message


def test_a_rise_that_pays_or_costs_nothing() -> None:
    assert not findings(RULE, agent(policy_entropy=ramp(0.3, 4.0), reward=learning()))
    assert not findings(RULE, agent(policy_entropy=ramp(0.3, 4.0), reward=0.5))
    few = agent(19, policy_entropy=1.0, reward=0.5)
    assert outcome(RULE, few).verdict is Verdict.NOT_EVALUATED
