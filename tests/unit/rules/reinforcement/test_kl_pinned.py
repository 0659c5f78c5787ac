from __future__ import annotations

import numpy as np
import pytest

from helpers.rule_asserts import findings, the_finding
from made.agents import agent, learning, ramp
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.rules.reinforcement.kl_pinned import KlPinned
from tb_lossdiag.testing import outcome

RULE = KlPinned()
SICK = agent(reference_kl=5e-5, reward=0.5)


@pytest.mark.parametrize(("level", "expected"), [(9.9e-5, 1), (1.01e-4, 0)])
def test_both_sides_of_the_divergence(level: float, expected: int) -> None:
    found = findings(RULE, agent(reference_kl=level, reward=0.5))
    assert [one.severity for one in found] == [Severity.INFO] * expected


def test_says_how_small_it_is() -> None:
    assert "is 5e-5 nats over the last half of 200" in the_finding(RULE, SICK).message.en


def test_a_policy_that_learns_moves_or_has_no_reference() -> None:
    assert not findings(RULE, agent(reference_kl=5e-5, reward=learning()))
    bumps = np.where(np.arange(200) % 50 == 49, 2e-3, 5e-5)
    assert not findings(RULE, agent(reference_kl=bumps, reward=0.5))
    assert not findings(RULE, agent(reference_kl=ramp(0, 1e-2), reward=0.5))
    none = outcome(RULE, agent(reference_kl=0.0, reward=0.5))
    assert none.verdict is Verdict.NOT_EVALUATED
    few = agent(29, reference_kl=5e-5, reward=0.5)
    assert outcome(RULE, few).verdict is Verdict.NOT_EVALUATED
