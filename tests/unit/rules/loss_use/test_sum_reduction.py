from __future__ import annotations

import numpy as np
import pytest

from helpers.rule_asserts import findings, findings_if_any, first_evidence, the_finding
from made.changes import optimized_by, stuck, with_loss, without
from made.check_ups import check_steps
from made.healthy import healthy_run
from made.loss_calls import with_call
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import CALL_SUMMED, LEARNING_RATE, LOSS
from tb_lossdiag.rules.loss_use.sum_reduction import SumReduction
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = SumReduction()
WELL = healthy_run(1, optimizer="SGD")
RUN = stuck(WELL)


def summed(run: Run = RUN, function: str = "mse_loss", **facts: float) -> Run:
    return with_call(run, function, summed=1, **facts)


SICK = summed()


def test_fires_with_the_learning_rate_it_amounts_to() -> None:
    finding = the_finding(RULE, summed(outputs=2))
    assert finding.severity is Severity.WARNING
    assert "128 times" in finding.message.en  # 64 samples, 2 outputs
    assert "acts like 2.56" in finding.message.en  # 0.02


def test_classes_are_not_outputs() -> None:
    assert the_finding(RULE, summed(function="cross_entropy")).numbers["times"] == 64


def test_a_run_that_learns_has_an_information() -> None:
    learning = with_loss(WELL, np.geomspace(1, 0.4, 200))
    assert the_finding(RULE, summed(learning)).severity is Severity.INFO
    hardly = with_loss(WELL, np.geomspace(1, 0.6, 200))
    assert the_finding(RULE, summed(hardly)).severity is Severity.WARNING


def test_a_run_that_broke_has_not_learned() -> None:
    values = np.geomspace(1, 0.1, 200)
    values[150] = np.nan
    assert the_finding(RULE, summed(with_loss(WELL, values))).severity is Severity.WARNING


def test_adam_does_not_mind() -> None:
    assert not findings(RULE, optimized_by(summed(), "Adam"))
    assert the_finding(RULE, optimized_by(summed(), "")).severity is Severity.INFO


def test_small_batches_are_not_this() -> None:
    assert not findings(RULE, summed(samples=3))
    assert findings(RULE, summed(samples=4))


@pytest.mark.parametrize("seed", range(12))
def test_clear_on_healthy_runs(seed: int) -> None:
    assert not findings_if_any(RULE, healthy_run(seed))


def test_works_without_a_learning_rate() -> None:
    assert "acts like" not in the_finding(RULE, without(summed(), LEARNING_RATE)).message.en


def test_evidence_is_the_call() -> None:
    evidence, at = first_evidence(RULE, summed()), check_steps(RUN[LOSS].steps)
    assert (evidence.quantity, evidence.column) == (CALL_SUMMED.name, "mse_loss")
    assert (evidence.first_step, evidence.last_step) == (at[0], at[-1])


def test_not_evaluated_without_calls() -> None:
    assert outcome(RULE, without(RUN, CALL_SUMMED)).missing == (CALL_SUMMED.name,)
