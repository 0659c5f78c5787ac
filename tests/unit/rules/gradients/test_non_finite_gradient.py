from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from helpers.rule_asserts import findings, first_evidence, the_finding
from made.changes import changed, with_broken_gradients, without
from made.check_ups import check_up_records
from made.healthy import healthy_run
from tb_lossdiag.diagnosis.engine import Verdict, diagnose
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import (
    ACTIVATION_NONFINITE,
    AMP_SCALE,
    GRADIENT_NONFINITE,
    LOSS_NONFINITE,
    LOSS_TERM_NONFINITE,
    NONFINITE_STEPS,
    PARAMETER_NORM,
)
from tb_lossdiag.quantities.batches import BROKEN_BATCHES, packed
from tb_lossdiag.records import table
from tb_lossdiag.rules.gradients.non_finite_gradient import NonFiniteGradient
from tb_lossdiag.rules.loss_curve.non_finite_loss import NonFiniteLoss
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = NonFiniteGradient()
RUN = without(healthy_run(1, layers=4), AMP_SCALE)
SICK = with_broken_gradients(healthy_run(1, layers=4), 100, slice(0, 4))


def loss_broken(run: Run, at: int) -> Run:
    return changed(run, LOSS_NONFINITE, np.arange(200) >= at)


def test_names_the_broken_parameter_nearest_to_the_output() -> None:
    finding = the_finding(RULE, with_broken_gradients(RUN, 100, slice(0, 5)))
    assert finding.severity is Severity.ERROR
    assert finding.subject == "body.2.weight"
    assert "the backward pass that broke" in finding.message.en


def test_a_loss_that_broke_first_is_the_cause() -> None:
    sick = with_broken_gradients(RUN, 100)
    assert not findings(RULE, loss_broken(sick, 100))
    assert not findings(RULE, changed(sick, LOSS_TERM_NONFINITE, np.arange(200) >= 90))
    later = loss_broken(sick, 101)
    assert findings(RULE, later)
    causes = diagnose(later, (NonFiniteLoss(), RULE)).causes
    assert [(c.finding.code, [e.finding.code for e in c.explains]) for c in causes] == [
        ("LD206", ["LD101"])
    ]


def test_one_that_the_run_survives_is_a_warning() -> None:
    assert the_finding(RULE, with_broken_gradients(RUN, 100, to=101)).severity is Severity.WARNING
    assert the_finding(RULE, with_broken_gradients(RUN, 100, to=103)).severity is Severity.ERROR


def test_overflows_that_the_scaler_skips_are_not_this() -> None:
    scaled = healthy_run(1, layers=4)
    assert not findings(RULE, with_broken_gradients(scaled, 100, to=101))
    assert findings(RULE, with_broken_gradients(scaled, 100))


@pytest.mark.parametrize("seed", range(10))
def test_clear_on_healthy_runs(seed: int) -> None:
    assert not findings(RULE, healthy_run(seed))


def test_says_what_was_broken_before() -> None:
    sick = with_broken_gradients(RUN, 100)
    norms = RUN[PARAMETER_NORM].values.copy()
    norms[95:, 2] = np.nan
    message = the_finding(RULE, changed(sick, PARAMETER_NORM, norms)).message.en
    assert "`body.1.weight` was not finite before" in message
    rows = np.array(check_up_records(200))
    active = np.zeros((len(rows), 2))
    active[rows >= 90, 1] = 1
    message = the_finding(RULE, changed(sick, ACTIVATION_NONFINITE, active)).message.en
    assert "The output of `body.1` was not finite" in message
    message = the_finding(RULE, without(sick, LOSS_NONFINITE)).message.en
    assert "not recorded" in message


def test_a_parameter_that_gets_frozen_is_not_broken() -> None:
    norms = RUN[PARAMETER_NORM].values.copy()
    norms[50:, 2] = np.nan
    run = changed(RUN, PARAMETER_NORM, norms)
    count = run[GRADIENT_NONFINITE].values.copy()
    count[50:, 2] = np.nan
    sick = with_broken_gradients(changed(run, GRADIENT_NONFINITE, count), 100, slice(4, 6))
    assert "backward pass that broke" in the_finding(RULE, sick).message.en


def test_the_exact_step_within_a_window() -> None:
    sick = with_broken_gradients(RUN, 100)
    steps = RUN[GRADIENT_NONFINITE].steps
    flags = (np.arange(200) >= 100).astype(float)
    exact = changed(sick, NONFINITE_STEPS, flags)
    lag = table(NONFINITE_STEPS.highest_lag(), steps, 0.0 * flags)
    lag.values[100] = steps[1] - 1
    windowed = Run("w", {**exact.tables, lag.quantity.name: lag}, exact.facts)
    assert first_evidence(RULE, windowed).first_step == steps[99] + 1


def test_evidence_is_from_the_first_to_the_last() -> None:
    evidence = first_evidence(RULE, with_broken_gradients(RUN, 100, to=150))
    steps = RUN[GRADIENT_NONFINITE].steps
    assert (evidence.first_step, evidence.last_step) == (steps[100], steps[149])
    assert evidence.quantity == GRADIENT_NONFINITE.name


def test_not_evaluated_without_gradients() -> None:
    result = outcome(RULE, without(RUN, GRADIENT_NONFINITE))
    assert result.verdict is Verdict.NOT_EVALUATED


def test_names_the_rows_of_that_batch() -> None:
    run = with_broken_gradients(RUN, 100)
    step = the_finding(RULE, run).evidence[0].first_step
    told = replace(run, facts={BROKEN_BATCHES: packed({step: "17, 93"})})
    assert the_finding(RULE, told).message.en.endswith(f"step {step} held the rows `17, 93`.")
