from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from helpers.rule_asserts import findings, the_finding
from made.agents import agent, ramp
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.rules.reinforcement.truncation import Truncation
from tb_lossdiag.testing import outcome

RULE = Truncation()


def grown(share: float, records: int = 200) -> npt.NDArray[np.float64]:
    """None at first, this share of the answers later."""
    return np.where(np.arange(records) < records // 4, 0.0, share)


SICK = agent(truncated_share=grown(0.6), reward=0.2)


@pytest.mark.parametrize(
    ("share", "severity"),
    [(0.51, Severity.ERROR), (0.49, Severity.WARNING), (0.16, Severity.WARNING)],
)
def test_says_how_many_and_how_long(share: float, severity: Severity) -> None:
    lengths = ramp(100.0, 500.0)
    finding = the_finding(
        RULE, agent(truncated_share=grown(share), reward=0.2, answer_length=lengths)
    )
    assert finding.severity is severity
    assert f"{100 * share:.0f}% of the answers" in finding.message.en
    assert "was 119 tokens at first and is 451 now" in finding.message.en
    assert (
        "tokens"
        not in the_finding(RULE, agent(truncated_share=grown(share), reward=0.2)).message.en
    )


@pytest.mark.parametrize(
    ("before", "severity"), [(0.49, Severity.ERROR), (0.51, Severity.INFO), (0.6, Severity.INFO)]
)
def test_what_was_so_from_the_start_may_be_meant(before: float, severity: Severity) -> None:
    run = agent(truncated_share=np.maximum(grown(0.6), before), reward=0.2)
    assert the_finding(RULE, run).severity is severity


def test_the_odd_one_and_a_few_records() -> None:
    assert not findings(RULE, agent(truncated_share=0.14, reward=0.2))
    few = agent(19, truncated_share=0.6, reward=0.2)
    assert outcome(RULE, few).verdict is Verdict.NOT_EVALUATED
