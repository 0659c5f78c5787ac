from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest

from helpers.rule_asserts import findings, the_finding
from made.agents import agent, ramp
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import GRADIENT_NORM, LOSS, PREFERENCE_IDLE
from tb_lossdiag.records import table
from tb_lossdiag.rules.reinforcement.reference_is_policy import ReferenceIsPolicy
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = ReferenceIsPolicy()


def tuned(margin: npt.ArrayLike, chosen: npt.ArrayLike, loss: float = math.log(2)) -> Run:
    """A preference tuning with this loss."""
    run = agent(reward_margin=margin, chosen_reward=chosen)
    losses = table(LOSS, np.arange(200), np.full(200, loss))
    return Run("dpo", {**run.tables, "loss": losses}, {})


SICK = tuned(0.0, 0.0)


def test_one_model_and_one_answer_are_told_apart() -> None:
    finding = the_finding(RULE, SICK)
    assert finding.severity is Severity.ERROR
    assert "loss stays at 0.693" in finding.message.en
    assert "reference is the policy itself" in finding.message.en
    assert (
        "both answers of a pair are the same"
        in the_finding(RULE, tuned(0.0, ramp(0, 1))).message.en
    )


def test_another_loss_is_not_named() -> None:
    assert "logarithm" not in the_finding(RULE, tuned(0.0, 0.0, 0.7)).message.en
    run = Run("r", {n: t for n, t in SICK.tables.items() if n != "loss"}, {})
    assert "logarithm" not in the_finding(RULE, run).message.en


@pytest.mark.parametrize(("zeros", "expected"), [(181, 1), (179, 0)])
def test_both_sides_of_the_share(zeros: int, expected: int) -> None:
    margins = np.where(np.arange(200) < zeros, 0.0, 0.1)
    assert len(findings(RULE, tuned(margins, 0.0))) == expected


def test_not_evaluated_on_few_records() -> None:
    few = agent(19, reward_margin=0.0, chosen_reward=0.0)
    assert outcome(RULE, few).verdict is Verdict.NOT_EVALUATED


def compared(*causes: float, loss: float = math.log(2)) -> Run:
    """A preference tuning by hand that logs its loss alone."""
    known = table(PREFERENCE_IDLE, np.arange(len(causes)) * 20, np.array(causes))
    losses = table(LOSS, np.arange(200), np.full(200, loss))
    return Run("dpo", {"preference_idle": known, "loss": losses}, {})


def test_what_check_ups_see_without_a_log() -> None:
    finding = the_finding(RULE, compared(1, 1, 1, 1, 1))
    assert finding.severity is Severity.ERROR
    assert "in all 5 check-ups both are equal to the last bit, and the loss stays at 0.693" in (
        finding.message.en
    )
    pairs = the_finding(RULE, compared(1, 2, 2, 2, 2, loss=0.5))
    assert "both answers of a pair are the same" in pairs.message.en
    assert "logarithm" not in pairs.message.en


@pytest.mark.parametrize("causes", [(1, 0, 0, 0, 0), (1, 1, 1, 1, 0), (1, 1, 2, 1, 1), (0,) * 5])
def test_a_reference_of_its_own_or_one_that_was_the_same_for_a_while(
    causes: tuple[float, ...],
) -> None:
    assert not findings(RULE, compared(*causes))


def test_not_evaluated_on_few_check_ups() -> None:
    assert outcome(RULE, compared(1, 1, 1, 1)).verdict is Verdict.NOT_EVALUATED


def with_gradients(run: Run, norms: npt.ArrayLike, records: int = 20) -> Run:
    """The same with norms of two parameters' gradients."""
    values = np.broadcast_to(np.asarray(norms, float), (records, 2))
    known = table(GRADIENT_NORM, np.arange(records) * 10, values, ["a", "b"])
    return Run(run.name, {**run.tables, GRADIENT_NORM.name: known}, run.facts)


@pytest.mark.parametrize("run", [SICK, compared(1, 1, 1, 1, 1)])
def test_gradients_of_exactly_0_have_another_cause(run: Run) -> None:
    """A `beta` of 0: rewards are 0 whatever the policy is, and nothing moves it from its reference."""
    assert not findings(RULE, with_gradients(run, 0.0))
    assert findings(RULE, with_gradients(run, [0.0, 1e-9]))
    assert findings(RULE, with_gradients(run, 0.0, records=19))
    assert findings(RULE, with_gradients(run, np.nan))  # nothing is trained


def test_answers_that_are_the_same_are_named_without_gradients() -> None:
    assert findings(RULE, with_gradients(compared(1, 2, 2, 2, 2), 0.0))
    assert findings(RULE, with_gradients(tuned(0.0, ramp(0, 1)), 0.0))
