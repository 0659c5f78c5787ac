from __future__ import annotations

import numpy as np
import pytest

from helpers.rule_asserts import findings, first_evidence, the_finding
from made.changes import changed, with_loss, with_overfitting, without
from made.healthy import healthy_run
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.quantities import VALIDATION_LOSS
from tb_lossdiag.rules.loss_curve.overfitting import Overfitting
from tb_lossdiag.testing import outcome

RULE = Overfitting()
SICK = with_overfitting(healthy_run(1), 8)


@pytest.mark.parametrize("seed", range(5))
def test_fires_when_validation_turns_and_gives_the_best_step(seed: int) -> None:
    run = with_overfitting(healthy_run(seed), 8)
    best = int(run[VALIDATION_LOSS].steps[8])
    finding = the_finding(RULE, run)
    assert finding.numbers["best_step"] == best
    assert f"step {best}" in finding.advice.en


@pytest.mark.parametrize("seed", range(20))
def test_clear_on_healthy_runs(seed: int) -> None:
    assert not findings(RULE, healthy_run(seed))


def test_clear_just_below_the_rise() -> None:
    assert not findings(RULE, with_overfitting(healthy_run(0), 8, rise=0.12))
    assert findings(RULE, with_overfitting(healthy_run(0), 8, rise=0.25))


def test_clear_on_one_noisy_point() -> None:
    run = healthy_run(1)
    values = run[VALIDATION_LOSS].values.copy()
    values[-1] *= 3
    assert not findings(RULE, changed(run, VALIDATION_LOSS, values))


def test_clear_when_the_training_loss_rises_too() -> None:
    run = with_overfitting(healthy_run(0), 8)
    both = with_loss(run, np.abs(np.linspace(-1, 1, 200)) + 1)
    assert not findings(RULE, both)


def test_evidence_is_the_stretch_after_the_turn() -> None:
    run = with_overfitting(healthy_run(2), 8)
    evidence, steps = first_evidence(RULE, run), run[VALIDATION_LOSS].steps
    assert (evidence.quantity, evidence.column) == (VALIDATION_LOSS.name, "")
    assert steps[8] < evidence.first_step < evidence.last_step == steps[-1]


def test_not_evaluated_without_validation_or_below_zero() -> None:
    missing = outcome(RULE, without(healthy_run(0), VALIDATION_LOSS))
    assert missing.missing == (VALIDATION_LOSS.name,)
    negative = changed(healthy_run(0), VALIDATION_LOSS, -np.ones(20))
    assert outcome(RULE, negative).verdict is Verdict.NOT_EVALUATED
