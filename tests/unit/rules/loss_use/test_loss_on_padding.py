from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from helpers.rule_asserts import findings, the_finding
from made.healthy import healthy_run
from tb_lossdiag.diagnosis.engine import Verdict, judge
from tb_lossdiag.quantities import CALL_FILLED, CALL_PADDED, LOSS_TERM, REWARD
from tb_lossdiag.records import table
from tb_lossdiag.rules.loss_use.loss_on_padding import LossOnPadding
from tb_lossdiag.run import Run

RULE = LossOnPadding()


def padding(shares: list[float]) -> Run:
    """A sequence model of whose scored targets so many were padding, check-up by check-up."""
    run, steps = healthy_run(1), 2 ** np.arange(len(shares))
    made = table(CALL_PADDED, steps, np.array(shares)[:, None], ("cross_entropy",))
    return replace(run, tables={**run.tables, CALL_PADDED.name: made})


SICK = padding([0.7, 0.75, 0.73, 0.73])


def test_says_how_much() -> None:
    assert "73% of the targets that `cross_entropy` scores" in the_finding(RULE, SICK).message.en


@pytest.mark.parametrize(
    ("shares", "fires"),
    [
        ([0.0] * 9, False),
        ([0.199] * 3, False),
        ([0.201] * 3, True),
        ([0.0, 0.9, 0.1], False),
        ([0.0, 0.9, 0.9], False),
        ([0.099, 0.25, 0.25], False),
        ([0.101, 0.25, 0.25], True),
    ],
)
def test_the_bounds(shares: list[float], fires: bool) -> None:
    assert bool(findings(RULE, padding(shares))) is fires


def test_answers_that_a_policy_writes_itself_may_end_alike() -> None:
    reward = table(REWARD, np.arange(4), np.ones((4, 1)), ("",))
    rewarded = replace(SICK, tables={**SICK.tables, REWARD.name: reward})
    assert judge(rewarded, RULE)[0].verdict is Verdict.NOT_EVALUATED


def test_two_check_ups_are_too_few() -> None:
    assert judge(padding([0.9, 0.9]), RULE)[0].verdict is Verdict.NOT_EVALUATED


def turned(shares: list[float]) -> Run:
    """A policy whose mask is turned about in so many check-ups."""
    steps = 2 ** np.arange(len(shares))
    made = table(CALL_FILLED, steps, np.array(shares)[:, None], ("log_softmax",))
    run = padding([0.1] * 4)
    return replace(run, tables={**run.tables, CALL_FILLED.name: made})


@pytest.mark.parametrize(("shares", "fires"), [([0.8] * 4, True), ([0.1] * 4, False), ([0.8] * 2, False)])  # fmt: skip
def test_a_mask_that_is_turned_about(shares: list[float], fires: bool) -> None:
    found = findings(RULE, turned(shares))
    assert ["turned about" in finding.message.en for finding in found] == [True] * fires


def test_an_agent_is_told_by_its_terms_as_well() -> None:
    terms = table(LOSS_TERM, np.arange(4), np.ones((4, 1)), ("policy",))
    agent = replace(SICK, tables={**SICK.tables, LOSS_TERM.name: terms})
    assert judge(agent, RULE)[0].verdict is Verdict.NOT_EVALUATED
