from __future__ import annotations

import numpy as np
import pytest

from helpers.rule_asserts import findings, the_finding
from made.agents import agent, learning, ramp
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.rules.reinforcement.length_for_reward import LengthForReward
from tb_lossdiag.testing import outcome

RULE = LengthForReward()
LONGER = ramp(100.0, 300.0)
SICK = agent(answer_length=LONGER, reward=learning(), held_out_score=np.full(20, 0.3))


def test_says_what_the_held_out_score_did() -> None:
    finding = the_finding(RULE, SICK)
    assert finding.severity is Severity.WARNING
    assert "held-out score was 0.3 at first and is 0.3 now" in finding.message.en


@pytest.mark.parametrize(("growth", "expected"), [(1.8, 1), (1.5, 0)])
def test_both_sides_of_the_growth(growth: float, expected: int) -> None:
    run = agent(
        answer_length=ramp(100, 100 * growth), reward=learning(), held_out_score=np.full(20, 0.3)
    )
    assert len(findings(RULE, run)) == expected


def test_thought_that_pays_on_held_out_data_is_none_of_it() -> None:
    run = agent(answer_length=LONGER, reward=learning(), held_out_score=learning(20))
    assert not findings(RULE, run)


def test_without_a_held_out_score_it_is_only_told_of() -> None:
    for run in (
        agent(answer_length=LONGER, reward=learning()),
        agent(answer_length=LONGER, reward=learning(), held_out_score=[0.3] * 7),
    ):
        assert the_finding(RULE, run).severity is Severity.INFO
    assert not findings(RULE, agent(answer_length=ramp(100, 190), reward=learning()))


def test_a_reward_that_goes_its_own_way() -> None:
    assert not findings(RULE, agent(answer_length=LONGER, reward=0.5))
    assert not findings(RULE, agent(answer_length=LONGER, reward=ramp(0.8, 0.2)))
    few = agent(19, answer_length=100.0, reward=0.5)
    assert outcome(RULE, few).verdict is Verdict.NOT_EVALUATED
