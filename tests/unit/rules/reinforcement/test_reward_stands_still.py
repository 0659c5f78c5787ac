from __future__ import annotations

import pytest

from helpers.rule_asserts import findings, the_finding
from made.agents import agent, learning
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.rules.reinforcement.reward_stands_still import RewardStandsStill
from tb_lossdiag.testing import outcome

RULE = RewardStandsStill()
SICK = agent(reward=learning(until=0.3))


def test_says_since_when() -> None:
    finding = the_finding(RULE, SICK)
    assert finding.severity is Severity.INFO
    assert "The reward was at" in finding.message.en


def test_the_held_out_score_counts_where_there_is_enough_of_it() -> None:
    held = agent(reward=learning(), held_out_score=learning(40, until=0.3))
    assert "The held-out score was at" in the_finding(RULE, held).message.en
    few = agent(reward=learning(until=0.3), held_out_score=learning(10))
    assert "The reward was at" in the_finding(RULE, few).message.en


@pytest.mark.parametrize(("noise", "expected"), [(0.01, 1), (0.3, 0)])
def test_what_never_rose_beyond_its_noise(noise: float, expected: int) -> None:
    run = agent(reward=learning(until=0.3, noise=noise))
    assert len(findings(RULE, run)) == expected


def test_what_rises_still_and_few_records() -> None:
    assert not findings(RULE, agent(reward=learning()))
    assert not findings(RULE, agent(reward=0.5))
    assert outcome(RULE, agent(19, reward=0.5)).verdict is Verdict.NOT_EVALUATED


def test_what_has_just_come_to_its_level_stands_nowhere_yet() -> None:
    assert not findings(RewardStandsStill(max_reached=0.2), SICK)
