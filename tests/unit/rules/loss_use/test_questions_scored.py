from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from helpers.rule_asserts import the_finding
from made.check_ups import with_tables
from made.healthy import healthy_run
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import ANSWERS_ONLY, CALL_QUESTION
from tb_lossdiag.records import table
from tb_lossdiag.rules.loss_use.questions_scored import QuestionsScored
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = QuestionsScored()


def scored(shares: list[float], **facts: str) -> Run:
    """A tuning on questions, so much of whose targets stood in these, check-up by check-up."""
    steps = 2 ** np.arange(len(shares))
    values = np.array(shares)[:, None]
    run = with_tables(healthy_run(1), [table(CALL_QUESTION, steps, values, ["cross_entropy"])])
    return replace(run, facts={**run.facts, **facts})


SICK = scored([0.5, 0.6, 0.7])


def test_says_how_much_of_it_are_questions() -> None:
    finding = the_finding(RULE, SICK)
    assert finding.severity is Severity.INFO
    assert (
        "60% of the targets that count (`cross_entropy`) stand in questions" in finding.message.en
    )
    assert "completion_only_loss=True" in finding.advice.en


def test_who_asked_for_answers_only_is_warned() -> None:
    finding = the_finding(RULE, scored([0.5, 0.6, 0.7], **{ANSWERS_ONLY: "yes"}))
    assert finding.severity is Severity.WARNING
    assert "asked for of answers only" in finding.message.en
    assert "collator" in finding.advice.en


@pytest.mark.parametrize(
    ("run", "verdict"),
    [
        (scored([0.2, 0.2, 0.2]), Verdict.FINDINGS),
        (scored([0.19, 0.19, 0.19]), Verdict.CLEAR),
        (scored([0.0, 0.0, 0.0], **{ANSWERS_ONLY: "yes"}), Verdict.CLEAR),
        (scored([0.9, 0.0, 0.0]), Verdict.CLEAR),
        (scored([0.9, 0.9]), Verdict.NOT_EVALUATED),
        (healthy_run(1), Verdict.NOT_EVALUATED),
    ],
)
def test_the_bounds(run: Run, verdict: Verdict) -> None:
    assert outcome(RULE, run).verdict is verdict
