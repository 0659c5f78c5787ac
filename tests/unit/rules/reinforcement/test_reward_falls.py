from __future__ import annotations

import numpy as np
import pytest

from helpers.rule_asserts import findings, the_finding
from made.agents import agent, learning, ramp
from made.check_ups import with_tables
from made.healthy import healthy_run
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import EXTRA, POLICY_NEGATED
from tb_lossdiag.records import table
from tb_lossdiag.rules.reinforcement.reward_falls import RewardFalls
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = RewardFalls()
FALLING = 1 - learning()


def signed(run: Run, *signs: float) -> Run:
    """The run with check-ups that know how weighed likelihoods stand in the loss."""
    return with_tables(run, [table(POLICY_NEGATED, 2 ** np.arange(len(signs)), np.array(signs))])


SICK = signed(agent(reward=FALLING), 1.0, 1.0, 1.0, 1.0)


def test_with_the_wrong_sign_it_is_a_warning() -> None:
    finding = the_finding(RULE, SICK)
    assert finding.severity is Severity.WARNING
    assert "In all 4 check-ups" in finding.message.en
    assert "the minus sign is missing" in finding.message.en


@pytest.mark.parametrize("signs", [(0.0,) * 4, (1.0, 1.0, 1.0, 0.0), (1.0, 1.0)])
def test_without_it_is_an_information(signs: tuple[float, ...]) -> None:
    finding = the_finding(RULE, signed(agent(reward=FALLING), *signs))
    assert finding.severity is Severity.INFO
    assert "earns less than when it began" in finding.message.en


def test_costs_that_weigh_likelihoods_while_rewards_rise_are_right() -> None:
    assert not findings(RULE, signed(agent(reward=learning()), 1.0, 1.0, 1.0))


@pytest.mark.parametrize(
    ("reward", "fires"),
    [
        (0.5, False),
        (np.random.default_rng(0).normal(0.5, 0.1, 200), False),
        (1 - learning(noise=0.1), True),
        (1 - learning(noise=0.5), False),
        (ramp(0.2, 0.9, 100).tolist() + ramp(0.9, 0.0, 100).tolist(), False),  # learned, then lost
        (ramp(0.5, 0.4).tolist(), True),
    ],
)
def test_what_falls_from_the_beginning(reward: float | list[float], fires: bool) -> None:
    assert bool(findings(RULE, agent(reward=reward))) is fires


def test_few_records_say_nothing() -> None:
    assert outcome(RULE, agent(19, reward=ramp(0.5, 0.1, 19))).verdict is Verdict.NOT_EVALUATED
    assert outcome(RULE, healthy_run(0)).verdict is Verdict.NOT_EVALUATED


def own(name: str) -> Run:
    """A loop's own value of this name, which falls."""
    tables = [table(EXTRA, np.arange(200), FALLING[:, None], (name,))]
    return with_tables(healthy_run(0), tables)


@pytest.mark.parametrize("name", ["reward", "episode_return", "mean reward"])
def test_what_a_loop_itself_names_counts(name: str) -> None:
    assert findings(RULE, own(name))


@pytest.mark.parametrize("name", ["reward_std", "rewards/margins", "episode_length", "entropy"])
def test_other_values_do_not(name: str) -> None:
    assert outcome(RULE, own(name)).verdict is Verdict.NOT_EVALUATED
