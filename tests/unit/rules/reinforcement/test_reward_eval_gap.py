from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from helpers.rule_asserts import findings, the_finding
from made.agents import agent, learning, ramp
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.rules.reinforcement.reward_eval_gap import RewardEvalGap
from tb_lossdiag.testing import outcome

RULE = RewardEvalGap()


def held(lost: float, noise: float = 0.0) -> npt.NDArray[np.float64]:
    """A score that gains 0.4 in ten evaluations and loses a share of it again."""
    rise, fall = np.linspace(0.2, 0.6, 10), np.linspace(0.6, 0.6 - 0.4 * lost, 10)
    return np.concatenate((rise, fall)) + np.random.default_rng(0).normal(0, noise, 20)


SICK = agent(reward=learning(), held_out_score=held(0.8))


def test_names_the_best_step() -> None:
    finding = the_finding(RULE, SICK)
    assert finding.severity is Severity.ERROR
    assert "Since step 109 the held-out score has fallen" in finding.message.en
    assert "step 109" in finding.advice.en


@pytest.mark.parametrize(
    ("lost", "severities"),
    [(0.62, [Severity.ERROR]), (0.4, [Severity.WARNING]), (0.25, [])],
)
def test_both_sides_of_what_was_lost(lost: float, severities: list[Severity]) -> None:
    found = findings(RULE, agent(reward=learning(), held_out_score=held(lost)))
    assert [one.severity for one in found] == severities


@pytest.mark.parametrize(
    ("end", "severities"),
    [(0.3, [Severity.ERROR]), (0.5, [Severity.WARNING]), (0.61, []), (0.8, [])],
)
def test_both_sides_of_a_score_that_never_gained(end: float, severities: list[Severity]) -> None:
    """It was cheated from the beginning."""
    found = findings(RULE, agent(reward=learning(), held_out_score=np.linspace(0.8, end, 20)))
    assert [one.severity for one in found] == severities
    assert all("% of what it was at first" in one.message.en for one in found)


def test_a_score_that_falls_from_its_very_first_level() -> None:
    score = [0.5, 0.8, 0.8, *np.linspace(0.79, 0.2, 17)]
    assert len(findings(RULE, agent(reward=learning(), held_out_score=score))) == 1


def test_twice_what_it_had_gained_is_no_share_of_it() -> None:
    score = [0.5, 0.5, 0.5, 0.8, 0.8, 0.8, *np.linspace(0.79, 0.2, 17)]
    finding = the_finding(RULE, agent(reward=learning(), held_out_score=score))
    assert " and lost all that it had gained and more, while" in finding.message.en


def test_a_reward_that_is_full_before_the_score_falls() -> None:
    full = learning(until=0.3)
    message = the_finding(RULE, agent(reward=full, held_out_score=held(0.8))).message.en
    assert "while the reward rose from 0.2" in message
    fallen = np.concatenate((full[:100], ramp(0.8, 0.5, 100)))
    assert not findings(RULE, agent(reward=fallen, held_out_score=held(0.8)))


def test_what_falls_together_rises_together_or_is_noise() -> None:
    assert not findings(RULE, agent(reward=0.5, held_out_score=held(0.8)))
    assert not findings(RULE, agent(reward=learning(), held_out_score=learning(20)))
    assert not findings(RULE, agent(reward=learning(), held_out_score=held(0.5, noise=0.3)))
    assert not findings(RULE, agent(reward=ramp(0.2, 0.21), held_out_score=[0.5] * 20))


def test_an_end_that_has_just_begun_to_fall() -> None:
    late = [*np.linspace(0.2, 0.6, 19), 0.3]
    assert not findings(RULE, agent(20, reward=learning(20), held_out_score=late))


def test_not_evaluated_without_evaluations() -> None:
    few = agent(reward=learning(), held_out_score=[0.5] * 7)
    assert outcome(RULE, few).verdict is Verdict.NOT_EVALUATED
