from __future__ import annotations

import numpy as np
import pytest

from helpers.rule_asserts import findings, the_finding
from made.agents import agent, ramp
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.rules.reinforcement.dead_groups import DeadGroups
from tb_lossdiag.testing import outcome

RULE = DeadGroups()
SICK = agent(dead_groups=0.8, reward=0.02)


@pytest.mark.parametrize(
    ("share", "severity"),
    [
        (0.76, Severity.ERROR),
        (0.74, Severity.WARNING),
        (0.51, Severity.WARNING),
        (0.49, Severity.INFO),
    ],
)
def test_says_how_many_and_what_the_reward_did(share: float, severity: Severity) -> None:
    finding = the_finding(RULE, agent(dead_groups=share, reward=ramp(0.2, 0.9)))
    assert finding.severity is severity
    assert f"In {100 * share:.0f}% of the groups" in finding.message.en
    assert "reward was 0.233 at first and is 0.814 now" in finding.message.en
    assert "The reward was" not in the_finding(RULE, agent(dead_groups=share)).message.en


def test_some_groups_are_alike_in_every_run_and_a_run_that_has_begun_is_told_of() -> None:
    assert not findings(RULE, agent(dead_groups=0.29))
    assert not findings(RULE, agent(dead_groups=ramp(0.9, 0.0, since=0.1)))
    assert the_finding(RULE, agent(49, dead_groups=0.8)).severity is Severity.INFO
    assert outcome(RULE, agent(9, dead_groups=0.8)).verdict is Verdict.NOT_EVALUATED


def test_outliers_decide_nothing() -> None:
    shares = np.where(np.arange(200) % 3 == 0, 1.0, 0.1)
    assert not findings(RULE, agent(dead_groups=shares))
