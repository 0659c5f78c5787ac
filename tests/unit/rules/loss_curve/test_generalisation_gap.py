from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from helpers.rule_asserts import alarms, findings, first_evidence, the_finding
from made.changes import changed, with_loss, without
from made.healthy import healthy_run
from made.logs import log, noisy
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import CALL_WEIGHTED, LOSS, VALIDATION_LOSS, WEIGHTED_PHASE
from tb_lossdiag.rules.loss_curve.generalisation_gap import GeneralisationGap
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = GeneralisationGap()
RUN = healthy_run(1)


def with_gap(run: Run, validation: float, train: float = 0.1) -> Run:
    """Both losses begin at 2.3; training ends at `train`, validation at `validation`."""
    n, m = len(run[LOSS]), len(run[VALIDATION_LOSS])
    falls = train + (2.3 - train) * np.exp(-20 * np.arange(n) / n)
    new = with_loss(run, falls)
    slow = validation + (2.3 - validation) * np.exp(-20 * np.arange(m) / m)
    return changed(new, VALIDATION_LOSS, slow)


SICK = with_gap(RUN, 1.8)


def test_warns_when_nothing_carries_over() -> None:
    assert the_finding(RULE, with_gap(RUN, 1.8)).severity is Severity.WARNING


def test_a_smaller_gap_is_worth_knowing() -> None:
    assert the_finding(RULE, with_gap(RUN, 0.9)).severity is Severity.INFO


def test_an_inverted_gap_is_worth_knowing() -> None:
    finding = the_finding(RULE, with_gap(RUN, 0.1, train=1.5))
    assert finding.severity is Severity.INFO
    assert "Dropout" in finding.advice.en


@pytest.mark.parametrize("phase", ["train", "validation"])
def test_losses_of_other_weights_are_not_compared(phase: str) -> None:
    run = replace(SICK, facts={**SICK.facts, WEIGHTED_PHASE: phase})
    assert outcome(RULE, run).verdict is Verdict.NOT_EVALUATED


def test_a_loss_call_with_weights_may_lie_above_the_validation_and_not_below() -> None:
    ones = np.ones(len(RUN[CALL_WEIGHTED]))
    assert not findings(RULE, changed(with_gap(RUN, 0.1, train=1.5), CALL_WEIGHTED, ones))
    assert findings(RULE, changed(SICK, CALL_WEIGHTED, ones))


@pytest.mark.parametrize("seed", range(20))
def test_no_alarm_on_healthy_runs(seed: int) -> None:
    assert not alarms(RULE, healthy_run(seed))


def test_clear_just_below_the_gap() -> None:
    assert not findings(RULE, with_gap(RUN, 0.6))
    assert findings(RULE, with_gap(RUN, 0.75))


def test_clear_beside_a_training_loss_near_zero() -> None:
    assert not findings(RULE, with_gap(RUN, 0.3, train=1e-4))


def test_clear_when_it_opens_late() -> None:
    run = with_gap(RUN, 0.1)
    values = run[VALIDATION_LOSS].values.copy()
    values[-8:] += 1.5
    assert not findings(RULE, changed(run, VALIDATION_LOSS, values))


def test_evidence_is_the_stretch_to_the_end() -> None:
    run = with_gap(RUN, 1.8)
    evidence, steps = first_evidence(RULE, run), run[VALIDATION_LOSS].steps
    assert (evidence.quantity, evidence.column) == (VALIDATION_LOSS.name, "")
    assert steps[0] < evidence.first_step <= steps[4]
    assert evidence.last_step == steps[-1]


def test_not_evaluated_on_another_scale_or_below_zero() -> None:
    summed = with_gap(RUN, 1.8)
    summed = changed(summed, VALIDATION_LOSS, 64 * summed[VALIDATION_LOSS].values)
    assert outcome(RULE, summed).verdict is Verdict.NOT_EVALUATED
    assert outcome(RULE, with_loss(RUN, np.linspace(1, -1, 200))).verdict is Verdict.NOT_EVALUATED
    assert outcome(RULE, without(RUN, LOSS)).missing == (LOSS.name,)


TRAIN = np.r_[np.full(10, 2.3), np.geomspace(2.3, 0.2, 190)]


def test_a_gap_from_the_first_validation_on() -> None:
    """It comes when the training has won something already, and what was won is not there."""
    finding = the_finding(RULE, log(TRAIN, np.full(10, 2.3)))
    assert finding.severity is Severity.WARNING


@pytest.mark.parametrize("level", [5.0, 148.0, 1e5])
def test_the_grosser_the_louder(level: float) -> None:
    """Running statistics that are off: worse than an untrained model, and unmoved by what is learned."""
    finding = the_finding(RULE, log(TRAIN, noisy(np.full(10, level), 0.2)))
    assert finding.severity is Severity.WARNING
    assert "than the training loss was at the start" in finding.message.en


@pytest.mark.parametrize("factor", [8, 64, 1000])
def test_a_sum_beside_a_mean_follows_the_training_and_is_not_judged(factor: int) -> None:
    summed = factor * TRAIN[19::20] * 1.1
    assert outcome(RULE, log(TRAIN, summed)).verdict is Verdict.NOT_EVALUATED
    floor = factor * np.maximum(TRAIN[19::20], 0.6)
    assert outcome(RULE, log(TRAIN, floor)).verdict is Verdict.NOT_EVALUATED


def test_another_scale_beside_a_training_that_stands_still_is_not_judged() -> None:
    still = np.r_[np.linspace(2.3, 0.5, 10), np.full(190, 0.5)]
    assert outcome(RULE, log(still, np.full(10, 20.0))).verdict is Verdict.NOT_EVALUATED
