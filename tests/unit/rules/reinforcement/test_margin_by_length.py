from __future__ import annotations

import numpy as np
import pytest

from helpers.rule_asserts import findings, the_finding
from made.agents import agent, ramp
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.rules.reinforcement.margin_by_length import MarginByLength
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = MarginByLength()


def pairs(share: float, records: int = 200, seed: int = 0) -> Run:
    """Margins that grow, and of whose swings a share is the difference of length."""
    drawn = np.random.default_rng(seed)
    difference, rest = drawn.normal(size=(2, records))
    swing = share * difference + np.sqrt(1 - share**2) * rest
    return agent(
        records,
        reward_margin=ramp(0.0, 5.0, records) + 0.3 * swing,
        chosen_length=60 + 5 * difference,
        rejected_length=50.0,
    )


SICK = pairs(0.9)


@pytest.mark.parametrize(
    ("share", "expected"), [(0.9, 1), (-0.9, 1), (0.6, 1), (0.3, 0), (-0.5, 0), (0.0, 0)]
)
def test_both_sides_of_agreement(share: float, expected: int) -> None:
    assert len(findings(RULE, pairs(share))) == expected


@pytest.mark.parametrize("seed", range(5))
def test_of_few_records_more_is_asked(seed: int) -> None:
    assert len(findings(RULE, pairs(0.55, 600, seed))) == 1
    assert not findings(RULE, pairs(0.0, 50, seed))
    assert len(findings(RULE, pairs(0.95, 50, seed))) == 1


def test_the_bound_is_four_errors_of_chance() -> None:
    (piece,) = the_finding(RULE, pairs(0.95, 50)).evidence
    assert piece.threshold == pytest.approx(4 / np.sqrt(38 - 1))
    (piece,) = the_finding(RULE, pairs(0.9, 400)).evidence
    assert piece.threshold == pytest.approx(0.4)


def test_says_which_side() -> None:
    assert "longer than the rejected ones by more" in the_finding(RULE, SICK).message.en
    assert "shorter than the rejected" in the_finding(RULE, pairs(-0.9)).message.en


def test_a_trend_of_both_is_no_agreement() -> None:
    drawn = np.random.default_rng(1)
    margins = ramp(0.0, 5.0) + drawn.normal(0, 0.1, 200)
    lengths = ramp(50, 90) + drawn.normal(0, 3, 200)
    run = agent(reward_margin=margins, chosen_length=lengths, rejected_length=50.0)
    assert not findings(RULE, run)
    equal = agent(reward_margin=margins, chosen_length=50.0, rejected_length=50.0)
    assert not findings(RULE, equal)


def test_few_records() -> None:
    few = outcome(RULE, pairs(0.9, 49))
    assert few.verdict is Verdict.NOT_EVALUATED
    rare = agent(reward_margin=ramp(0, 5), chosen_length=ramp(1, 9, 40), rejected_length=5.0)
    assert outcome(RULE, rare).verdict is Verdict.NOT_EVALUATED
