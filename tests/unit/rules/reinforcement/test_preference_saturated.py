from __future__ import annotations

import numpy as np
import pytest

from helpers.rule_asserts import findings, the_finding
from made.agents import agent, ramp
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.rules.reinforcement.preference_saturated import PreferenceSaturated
from tb_lossdiag.testing import outcome

RULE = PreferenceSaturated()


def told_apart(since: int, level: float = 1.0) -> np.ndarray:
    """Accuracy of pairs."""
    return np.where(np.arange(200) < since, 0.7, level)


SICK = agent(preference_accuracy=told_apart(60), reward_margin=ramp(0.0, 20.0))


def test_says_since_when() -> None:
    finding = the_finding(RULE, SICK)
    assert finding.severity is Severity.INFO
    assert "Since step 62 at least 98% of the pairs are told apart" in finding.message.en
    assert "for 69% of the run" in finding.message.en
    always = agent(preference_accuracy=1.0, reward_margin=ramp(3.0, 20.0))
    assert "Since step 0 " in the_finding(RULE, always).message.en


@pytest.mark.parametrize(
    ("since", "level", "last", "expected"),
    [
        (136, 1.0, 20.0, 1),
        (142, 1.0, 20.0, 0),
        (60, 0.981, 20.0, 1),
        (60, 0.979, 20.0, 0),
        (60, 1.0, 4.4, 1),
        (60, 1.0, 4.0, 0),
        (60, 1.0, 2.9, 0),
    ],
)
def test_both_sides_of_span_accuracy_and_margin(
    since: int, level: float, last: float, expected: int
) -> None:
    run = agent(preference_accuracy=told_apart(since, level), reward_margin=ramp(0.0, last))
    assert len(findings(RULE, run)) == expected


@pytest.mark.parametrize(("last", "expected"), [(7.4, 1), (6.9, 0), (6.0, 0)])
def test_both_sides_of_what_it_still_grows(last: float, expected: int) -> None:
    margins = np.concatenate((ramp(0.0, 6.0, 60), ramp(6.0, last, 140)))
    run = agent(preference_accuracy=told_apart(60), reward_margin=margins)
    assert len(findings(RULE, run)) == expected


def test_few_or_rare_records() -> None:
    few = agent(19, preference_accuracy=1.0, reward_margin=5.0)
    assert outcome(RULE, few).verdict is Verdict.NOT_EVALUATED
    rare = agent(preference_accuracy=1.0, reward_margin=ramp(0.0, 3.1, 20))
    assert not findings(RULE, rare)
