from __future__ import annotations

import numpy as np
import pytest

from helpers.rule_asserts import findings, findings_if_any, first_evidence, the_finding
from made.changes import changed, head, without
from made.healthy import healthy_run
from made.logs import log
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import LEARNING_RATE
from tb_lossdiag.rules.loop.zero_learning_rate import ZeroLearningRate
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = ZeroLearningRate()
ROWS = np.arange(100)


def rates(values: object) -> Run:
    return log(np.full(100, 1.5), rate=np.broadcast_to(np.asarray(values, float), 100))


SICK = rates(0.0)


def test_a_rate_of_zero_throughout_is_an_error() -> None:
    finding = the_finding(RULE, SICK)
    assert finding.severity is Severity.ERROR
    assert "100 of 100" in finding.message.en
    assert first_evidence(RULE, SICK).quantity == LEARNING_RATE.name


def test_both_sides_of_always() -> None:
    assert the_finding(RULE, rates(ROWS == 0)).severity is Severity.ERROR
    assert not findings(RULE, rates(ROWS < 2))


@pytest.mark.parametrize(("zeros", "expected"), [(11, 1), (9, 0)])
def test_stretches_of_zero_with_a_rate_afterwards(zeros: int, expected: int) -> None:
    run = rates(~((ROWS >= 40) & (40 + zeros > ROWS)))
    assert len(findings(RULE, run)) == expected
    if expected:
        assert the_finding(RULE, run).severity is Severity.WARNING


def test_warm_ups_tails_and_frozen_groups_are_meant() -> None:
    assert not findings(RULE, rates(np.where(ROWS < 5, 0.0, 1e-3)))
    assert not findings(RULE, rates(np.where(ROWS > 60, 0.0, 1e-3)))
    two = np.stack([np.zeros(100), np.full(100, 1e-3)], axis=1)
    assert not findings(RULE, changed(SICK, LEARNING_RATE, two, ("group 0", "group 1")))


def test_not_evaluated_on_few_or_no_records() -> None:
    assert outcome(RULE, head(SICK, 19)).verdict is Verdict.NOT_EVALUATED
    assert findings(RULE, head(SICK, 20))
    assert outcome(RULE, without(SICK, LEARNING_RATE)).missing == (LEARNING_RATE.name,)


@pytest.mark.parametrize("seed", range(10))
def test_clear_on_healthy_runs(seed: int) -> None:
    assert not findings_if_any(RULE, healthy_run(seed))
