from __future__ import annotations

import math

import numpy as np
import pytest

from helpers.rule_asserts import findings, findings_if_any, the_finding
from made.agents import agent, learning, ramp
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.rules.reinforcement.policy_uniform import PolicyUniform
from tb_lossdiag.testing import outcome

RULE = PolicyUniform()
FOUR = math.log(4)
SICK = agent(entropy_loss=-FOUR * 0.9999, reward=0.5)


def test_the_entropy_or_what_the_loss_has_of_it() -> None:
    message = the_finding(RULE, SICK).message.en
    assert "is 1.39 nats, 100% of that of choosing among 4 actions" in message
    assert len(findings(RULE, agent(policy_entropy=FOUR, reward=0.5))) == 1


@pytest.mark.parametrize(("share", "expected"), [(0.955, 1), (0.935, 0)])
def test_both_sides_of_what_is_left(share: float, expected: int) -> None:
    run = agent(policy_entropy=FOUR * np.linspace(1, share, 200), reward=0.5)
    assert len(findings(RULE, run)) == expected


@pytest.mark.parametrize("entropy", [1.4189, 2.8379, 1.3, 3.2, 9.0, -0.5])
def test_what_is_no_choice_of_few_at_random(entropy: float) -> None:
    run = agent(policy_entropy=entropy, reward=0.5)
    assert outcome(RULE, run).verdict is Verdict.NOT_EVALUATED


def test_a_number_of_actions_that_is_given() -> None:
    many = agent(policy_entropy=math.log(50), reward=0.5)
    assert len(findings(PolicyUniform(actions=50), many)) == 1


def test_an_agent_that_gains_that_decides_or_whose_actions_are_numbers() -> None:
    assert not findings(RULE, agent(policy_entropy=FOUR, reward=learning()))
    assert not findings(RULE, agent(policy_entropy=ramp(FOUR, 0.5), reward=0.5))
    numbers = agent(policy_entropy=FOUR, action_spread=1.0, reward=0.5)
    assert outcome(RULE, numbers).verdict is Verdict.NOT_EVALUATED
    assert outcome(RULE, agent(reward=0.5)).verdict is Verdict.NOT_EVALUATED


@pytest.mark.parametrize(("records", "judged"), [(15, True), (14, False)])
def test_few_records_suffice_where_each_is_chance(records: int, *, judged: bool) -> None:
    few = outcome(RULE, agent(records, policy_entropy=FOUR, reward=0.5))
    assert few.verdict is (Verdict.FINDINGS if judged else Verdict.NOT_EVALUATED)


@pytest.mark.parametrize(
    ("lowest", "gain", "verdict"),
    [
        (0.992, 0.45, Verdict.FINDINGS),
        (0.988, 0.45, Verdict.NOT_EVALUATED),
        (0.992, 0.60, Verdict.NOT_EVALUATED),  # it leans to the right side already
    ],
)
def test_a_policy_that_never_left_chance_may_be_lucky(
    lowest: float, gain: float, verdict: Verdict
) -> None:
    entropy = np.full(20, FOUR)
    entropy[12] *= lowest
    rewards = 20 * (1 + gain * np.minimum(np.arange(20) / 17, 1))
    rewards[:5], rewards[-5:] = 20, 20 * (1 + gain)
    run = agent(20, policy_entropy=entropy, reward=rewards)
    assert outcome(RULE, run).verdict is verdict
    assert all("hardly gained" in found.message.en for found in findings_if_any(RULE, run))


def test_one_dip_of_many_records_is_asked_for_the_score() -> None:
    entropy = np.full(40, FOUR)
    entropy[12] *= 0.98
    assert findings(RULE, agent(40, policy_entropy=entropy, reward=0.5))
    assert not findings(RULE, agent(40, policy_entropy=entropy, reward=learning(40)))
