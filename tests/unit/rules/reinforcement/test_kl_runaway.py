from __future__ import annotations

import numpy as np
import pytest

from helpers.rule_asserts import findings, the_finding
from made.agents import agent, learning, ramp
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.rules.reinforcement.kl_runaway import KlRunaway
from tb_lossdiag.testing import outcome

RULE = KlRunaway()
SICK = agent(reference_kl=ramp(0.01, 3.0), reward=learning())


def test_beyond_two_nats_no_reward_is_an_excuse() -> None:
    finding = the_finding(RULE, SICK)
    assert finding.severity is Severity.ERROR
    assert "nats: what" in finding.message.en
    flat = the_finding(RULE, agent(reference_kl=ramp(0.01, 3.0), reward=0.5))
    assert "nothing is gained any more" in flat.message.en


@pytest.mark.parametrize(("end", "expected"), [(0.55, 1), (0.5, 0)])
def test_both_sides_of_the_divergence_while_the_reward_stands_still(
    end: float, expected: int
) -> None:
    found = findings(RULE, agent(reference_kl=ramp(0.01, end), reward=0.5))
    assert [one.severity for one in found] == [Severity.WARNING] * expected
    assert not findings(RULE, agent(reference_kl=ramp(0.01, end), reward=learning()))


def test_a_divergence_that_was_there_that_stays_or_that_is_none() -> None:
    assert not findings(RULE, agent(reference_kl=ramp(0.4, 2.5), reward=0.5))
    assert not findings(
        RULE, agent(reference_kl=np.where(np.arange(200) < 50, 0.01, 1.0), reward=0.5)
    )
    assert not findings(RULE, agent(reference_kl=0.0, reward=0.5))
    few = agent(19, reference_kl=0.0, reward=0.5)
    assert outcome(RULE, few).verdict is Verdict.NOT_EVALUATED


@pytest.mark.parametrize(("there", "expected"), [(2.1, 1), (1.9, 0)])
def test_both_sides_of_one_that_ran_at_once_and_gained_nothing(there: float, expected: int) -> None:
    """It begins at 0, as a policy that is its reference does, and is there before the first tenth is over."""
    at_once = np.concatenate((np.linspace(0.0, there, 8), np.full(192, there)))
    assert len(findings(RULE, agent(reference_kl=at_once, reward=0.5))) == expected
    assert not findings(RULE, agent(reference_kl=at_once, reward=learning(until=0.3)))
