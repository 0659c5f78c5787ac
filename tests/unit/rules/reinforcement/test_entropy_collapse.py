from __future__ import annotations

import numpy as np
import pytest

from helpers.rule_asserts import findings, the_finding
from made.agents import agent, learning, ramp
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.rules.reinforcement.entropy_collapse import EntropyCollapse
from tb_lossdiag.testing import outcome

RULE = EntropyCollapse()
FALLS = 2.0 * np.exp(-4 * np.linspace(0, 1, 200))
SICK = agent(policy_entropy=FALLS, reward=learning(until=0.4))


def test_says_how_much_is_left() -> None:
    finding = the_finding(RULE, SICK)
    assert finding.severity is Severity.WARNING
    assert "fell from 1.65 to 0.0443, 3%" in finding.message.en


@pytest.mark.parametrize(("left", "expected"), [(0.09, 1), (0.11, 0)])
def test_both_sides_of_what_is_left(left: float, expected: int) -> None:
    entropy = np.where(np.arange(200) < 100, 1.0, left)
    assert len(findings(RULE, agent(policy_entropy=entropy, reward=0.5))) == expected


def test_an_agent_that_gets_better_may_use_it_up() -> None:
    assert not findings(RULE, agent(policy_entropy=FALLS, reward=learning()))
    held = agent(policy_entropy=FALLS, reward=learning(), held_out_score=learning(40, until=0.3))
    assert findings(RULE, held), "the held-out score says more than the reward"


def test_not_evaluated_where_entropy_has_no_zero_or_little_is_known() -> None:
    for entropy in (ramp(3.0, -2.0), np.zeros(200)):
        run = agent(policy_entropy=entropy, reward=0.5)
        assert outcome(RULE, run).verdict is Verdict.NOT_EVALUATED
    few = agent(19, policy_entropy=1.0, reward=0.5)
    assert outcome(RULE, few).verdict is Verdict.NOT_EVALUATED
