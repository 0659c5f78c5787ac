from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from helpers.rule_asserts import findings, the_finding
from made.agents import RECORDS, agent, ramp
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.quantities import LEARNING_RATE
from tb_lossdiag.records import table
from tb_lossdiag.rules.reinforcement.ratio_not_one import RatioNotOne
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = RatioNotOne()


def at_rest(still: int = 2, **curves: npt.ArrayLike) -> Run:
    """A log whose rate is 0 in the first records."""
    run = agent(RECORDS, 1, reward=0.5, **curves)
    rates = np.where(np.arange(RECORDS) < still, 0.0, 1e-6)
    made = table(LEARNING_RATE, np.arange(RECORDS), rates[:, None], ("group 0",))
    return Run(run.name, {**run.tables, LEARNING_RATE.name: made}, run.facts)


SICK = at_rest(clipped_ratio=0.05)


@pytest.mark.parametrize(("share", "expected"), [(1.1e-3, 1), (0.9e-3, 0)])
def test_both_sides_of_what_is_clipped_at_rest(share: float, expected: int) -> None:
    assert len(findings(RULE, at_rest(clipped_ratio=share))) == expected


@pytest.mark.parametrize(("moved", "expected"), [(1.1e-3, 1), (-0.02, 1), (0.9e-3, 0)])
def test_both_sides_of_a_divergence_at_rest(moved: float, expected: int) -> None:
    assert len(findings(RULE, at_rest(policy_kl=moved))) == expected


def test_what_moves_later_may_be_clipped() -> None:
    assert not findings(RULE, at_rest(2, clipped_ratio=np.arange(RECORDS) * 0.0005))
    always = at_rest(RECORDS, policy_kl=0.5)
    assert (
        "by 0.5 nats at step 0 although the learning rate" in the_finding(RULE, always).message.en
    )


def test_passes_that_are_known() -> None:
    run = agent(reward=0.5, clipped_ratio=0.05)
    assert outcome(RULE, run).verdict is Verdict.NOT_EVALUATED
    message = the_finding(RatioNotOne(passes=1), run).message.en
    assert "clipped for 5% of the choices at step 0 although each answer is used once" in message
    rises = agent(reward=0.5, clipped_ratio=ramp(0.0, 0.3))
    assert not findings(RatioNotOne(passes=1), rises)
    assert outcome(RULE, at_rest(0, policy_kl=0.5)).verdict is Verdict.NOT_EVALUATED
    nothing = outcome(RatioNotOne(passes=1), agent(reward=0.5))
    assert nothing.verdict is Verdict.NOT_EVALUATED


@pytest.mark.parametrize(
    ("ratio", "expected"), [(12.0, 1), (1.51, 1), (1.45, 0), (0.6, 1), (0.7, 0)]
)
def test_both_sides_of_the_mean_ratio(ratio: float, expected: int) -> None:
    found = findings(RULE, agent(reward=0.5, policy_ratio=ratio))
    assert len(found) == expected
    assert all("is 1, however far" in one.message.en for one in found)
