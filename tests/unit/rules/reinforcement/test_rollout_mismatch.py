from __future__ import annotations

import pytest

from helpers.rule_asserts import findings, the_finding
from made.agents import agent, ramp
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.rules.reinforcement.rollout_mismatch import RolloutMismatch
from tb_lossdiag.testing import outcome

RULE = RolloutMismatch()
SICK = agent(rollout_kl=ramp(0.02, 0.4), reward=0.5)
WARNED, TOLD = [Severity.WARNING], [Severity.INFO]


@pytest.mark.parametrize(
    ("name", "level", "severities"),
    [
        ("rollout_kl", 0.11, WARNED),
        ("rollout_kl", 0.09, TOLD),
        ("rollout_kl", 0.009, []),
        ("rollout_gap", 0.46, WARNED),
        ("rollout_gap", 0.15, TOLD),
        ("rollout_gap", 0.13, []),
        ("rollout_samples", 0.29, WARNED),
        ("rollout_samples", 0.31, []),
        ("rollout_perplexity", 1.2, TOLD),
        ("rollout_perplexity", 0.9, TOLD),
        ("rollout_perplexity", 1.04, []),
    ],
)
def test_both_sides_of_each(name: str, level: float, severities: list[Severity]) -> None:
    run = agent(200, 1, reward=0.5, **{name: level})
    assert [one.severity for one in findings(RULE, run)] == severities


def test_the_worst_is_said_and_whether_it_rises() -> None:
    message = the_finding(RULE, SICK).message.en
    assert "a divergence of 0.353 nats per token, and it rises." in message
    both = agent(reward=0.5, rollout_perplexity=1.2, rollout_samples=ramp(0.4, 0.1))
    assert "14% of the samples are left." in the_finding(RULE, both).message.en


def test_nothing_known() -> None:
    assert outcome(RULE, agent(reward=0.5)).verdict is Verdict.NOT_EVALUATED
    few = agent(19, reward=0.5, rollout_kl=1.0)
    assert outcome(RULE, few).verdict is Verdict.NOT_EVALUATED
