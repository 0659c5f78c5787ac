from __future__ import annotations

import numpy as np
import pytest

from helpers.rule_asserts import findings, the_finding
from made.agents import agent, ramp
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.rules.reinforcement.repetition import Repetition
from tb_lossdiag.testing import outcome

RULE = Repetition()
SICK = agent(repetition=ramp(0.02, 0.5), reward=0.5)


def test_says_from_where_to_where() -> None:
    assert "rose from 4% to 44%" in the_finding(RULE, SICK).message.en


@pytest.mark.parametrize(("last", "expected"), [(0.36, 1), (0.33, 0)])
def test_both_sides_of_the_share(last: float, expected: int) -> None:
    assert len(findings(RULE, agent(repetition=ramp(0.02, last), reward=0.5))) == expected


@pytest.mark.parametrize(("first", "expected"), [(0.13, 1), (0.15, 0)])
def test_what_repeats_from_the_start_is_its_nature(first: float, expected: int) -> None:
    assert len(findings(RULE, agent(repetition=ramp(first, 0.5), reward=0.5))) == expected


def test_what_rises_no_more_and_few_records() -> None:
    assert not findings(RULE, agent(repetition=np.where(np.arange(200) < 50, 0.0, 0.4), reward=0.5))
    assert outcome(RULE, agent(19, repetition=0.0, reward=0.5)).verdict is Verdict.NOT_EVALUATED
