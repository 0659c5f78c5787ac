from __future__ import annotations

import pytest

from helpers.rule_asserts import findings, the_finding
from made.agents import agent, learning
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.rules.reinforcement.ratio_clip_saturation import RatioClipSaturation
from tb_lossdiag.testing import outcome

RULE = RatioClipSaturation()
SICK = agent(clipped_ratio=0.5, reward=0.5)


@pytest.mark.parametrize(
    ("share", "severity"),
    [(0.41, Severity.ERROR), (0.39, Severity.WARNING), (0.21, Severity.WARNING)],
)
def test_while_the_reward_stands_still(share: float, severity: Severity) -> None:
    finding = the_finding(RULE, agent(clipped_ratio=share, reward=0.5))
    assert finding.severity is severity
    assert f"clipped for {100 * share:.0f}% of the choices" in finding.message.en
    assert "nothing is gained" in finding.message.en


def test_a_reward_that_rises_excuses_a_fifth_and_not_two() -> None:
    assert not findings(RULE, agent(clipped_ratio=0.19, reward=0.5))
    assert not findings(RULE, agent(clipped_ratio=0.39, reward=learning()))
    finding = the_finding(RULE, agent(clipped_ratio=0.41, reward=learning()))
    assert finding.severity is Severity.WARNING
    assert "nothing is gained" not in finding.message.en


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (0.4, 0.1, "4 times as often below"),
        (0.1, 0.31, "3.1 times as often above"),
        (0.2, 0.1, ""),
        (0.4, 0.0, ""),
    ],
)
def test_the_side_is_named_where_it_is_one(low: float, high: float, said: str) -> None:
    run = agent(clipped_ratio=0.5, reward=0.5, clipped_low=low, clipped_high=high)
    message = the_finding(RULE, run).message.en
    assert said in message
    assert ("as often" in message) is bool(said)


def test_not_evaluated_on_few_records() -> None:
    assert outcome(RULE, agent(19, clipped_ratio=0.5, reward=0.5)).verdict is Verdict.NOT_EVALUATED
