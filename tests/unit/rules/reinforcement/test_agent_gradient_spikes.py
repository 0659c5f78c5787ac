from __future__ import annotations

import numpy as np
import pytest

from helpers.rule_asserts import findings, the_finding
from made.agents import agent
from made.check_ups import with_tables
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.quantities import GRADIENT_NORM
from tb_lossdiag.records import table
from tb_lossdiag.rules.reinforcement.agent_gradient_spikes import AgentGradientSpikes
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = AgentGradientSpikes()


def spiky(factor: float, spikes: int, records: int = 200) -> Run:
    """A norm around 1, and some records far above it, the largest at step 150."""
    norms = np.ones(records)
    norms[np.linspace(60, 150, spikes).astype(int)] = factor
    norms[150] = factor * 1.01
    return agent(records, global_norm=norms, reward=0.5)


SICK = spiky(50, 5)


def test_names_the_largest() -> None:
    finding = the_finding(RULE, SICK)
    assert "In 5 of 200 records" in finding.message.en
    assert "largest was 50.5 at step 150" in finding.message.en
    assert "step 150" in finding.advice.en


@pytest.mark.parametrize(
    ("factor", "spikes", "expected"), [(10, 3, 1), (9.8, 3, 0), (50, 2, 0), (50, 25, 0)]
)
def test_both_sides_of_factor_and_number(factor: float, spikes: int, expected: int) -> None:
    assert len(findings(RULE, spiky(factor, spikes))) == expected


def test_the_beginning_zeros_and_few_records() -> None:
    norms = np.ones(200)
    norms[:10] = 99.0
    assert not findings(RULE, agent(global_norm=norms, reward=0.5))
    assert not findings(
        RULE, agent(global_norm=np.where(np.arange(200) % 30 == 29, 1.0, 0.0), reward=0.5)
    )
    by_layer = with_tables(SICK, [table(GRADIENT_NORM, [0, 1], [[1.0], [1.0]], ("a.weight",))])
    assert outcome(RULE, by_layer).verdict is Verdict.NOT_EVALUATED
    assert outcome(RULE, agent(49, global_norm=1.0, reward=0.5)).verdict is Verdict.NOT_EVALUATED
