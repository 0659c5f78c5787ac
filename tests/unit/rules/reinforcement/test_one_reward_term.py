from __future__ import annotations

import numpy as np
import pytest

from helpers.rule_asserts import findings, the_finding
from made.agents import agent, learning, with_terms
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.rules.reinforcement.one_reward_term import OneRewardTerm
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = OneRewardTerm()


def terms(spread: float, name: str = "format_reward", records: int = 200) -> Run:
    """A correct answer that varies by 0.1, and a form that varies by something else."""
    rng = np.random.default_rng(0)
    named = {"correct": rng.normal(0.5, 0.1, records), name: rng.normal(0.5, spread, records)}
    return with_terms(agent(), named)


SICK = terms(0.5)


def test_names_the_term() -> None:
    finding = the_finding(RULE, SICK)
    assert finding.subject == "format_reward"
    assert "of the 2 reward terms" in finding.message.en


@pytest.mark.parametrize(
    ("spread", "severities"),
    [(0.36, [Severity.ERROR]), (0.25, [Severity.WARNING]), (0.17, [Severity.WARNING]), (0.12, [])],
)
def test_both_sides_of_the_share(spread: float, severities: list[Severity]) -> None:
    assert [one.severity for one in findings(RULE, terms(spread))] == severities


def test_a_term_of_the_task_may_decide_and_form_is_learned_first() -> None:
    assert not findings(RULE, terms(0.5, "answer"))
    first = np.where(np.arange(200) < 40, 0.0, 1.0)
    run = with_terms(agent(), {"correct": learning(), "format": first})
    assert not findings(RULE, run)


def test_not_evaluated_on_one_term_or_few_records() -> None:
    alone = with_terms(agent(), {"format": learning()})
    assert outcome(RULE, alone).verdict is Verdict.NOT_EVALUATED
    assert outcome(RULE, terms(0.5, records=149)).verdict is Verdict.NOT_EVALUATED
