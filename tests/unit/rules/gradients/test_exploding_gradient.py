from __future__ import annotations

import numpy as np
import pytest

from helpers.rule_asserts import findings, the_finding
from made.changes import changed, head, scaled, stuck, with_growth, without
from made.healthy import healthy_run
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import (
    GRADIENT_NONFINITE,
    GRADIENT_NORM,
    LOSS,
    LOSS_NONFINITE,
    PARAMETER_NORM,
)
from tb_lossdiag.records import table
from tb_lossdiag.rules.gradients.exploding_gradient import ExplodingGradient
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = ExplodingGradient()
SICK = with_growth(healthy_run(1), 120)


@pytest.mark.parametrize("seed", range(5))
def test_fires_on_growth_over_its_own_history(seed: int) -> None:
    finding = the_finding(RULE, with_growth(healthy_run(seed), 120))
    assert "1000 times" in finding.message.en
    assert "began during the training" in finding.advice.en


def test_fires_on_steepness_from_the_start() -> None:
    run = stuck(healthy_run(0))
    steep = changed(run, GRADIENT_NORM, np.full(200, 1e5))
    assert "from the first records" in the_finding(RULE, steep).advice.en


@pytest.mark.parametrize("seed", range(20))
def test_clear_on_healthy_runs(seed: int) -> None:
    assert not findings(RULE, healthy_run(seed))


def test_clear_just_below_the_growth() -> None:
    assert not findings(RULE, with_growth(healthy_run(0), 120, 95))
    assert findings(RULE, with_growth(healthy_run(0), 120, 105))


def test_clear_on_a_single_spike() -> None:
    factor = np.ones(200)
    factor[150:152] = 1e5
    assert not findings(RULE, scaled(healthy_run(0), GRADIENT_NORM, factor))


def converged(peak: float, cost: float) -> Run:
    """Learned to nearly nothing, from a loss of 4 and a norm of about 10; then a few records with this norm and loss."""
    fall = np.r_[np.geomspace(1, 1e-3, 80), np.full(120, 1e-3)]
    run = healthy_run(0)
    width = len(run[GRADIENT_NORM].columns)
    norm, loss = 10 * fall, 4 * fall
    norm[150:156], loss[150:156] = peak, cost
    run = changed(run, GRADIENT_NORM, np.repeat(norm[:, None] / np.sqrt(width), width, axis=1))
    return changed(run, LOSS, loss)


@pytest.mark.parametrize(
    ("peak", "cost", "severity"),
    [
        (9.0, 0.3, Severity.INFO),
        (11.0, 0.3, Severity.WARNING),  # larger than the run ever was
        (9.0, 0.5, Severity.WARNING),  # an eighth of what was learned is lost
    ],
)
def test_a_growth_that_costs_nothing_is_an_information(
    peak: float, cost: float, severity: Severity
) -> None:
    assert the_finding(RULE, converged(peak, cost)).severity is severity


def test_a_growth_beside_an_unknown_loss_is_none_of_these() -> None:
    assert the_finding(RULE, without(converged(9.0, 0.3), LOSS)).severity is Severity.WARNING


def test_clear_when_the_run_leaves_a_plateau() -> None:
    run = with_growth(healthy_run(0), 120)
    falls = np.where(np.arange(200) < 120, 1.0, np.linspace(3.0, 0.1, 200)).clip(0, 1)
    assert not findings(RULE, changed(run, LOSS, falls))


def test_clear_with_a_summed_loss() -> None:
    run = scaled(healthy_run(0), GRADIENT_NORM, 1e6)
    assert not findings(RULE, scaled(run, LOSS, 1e6))


def test_evidence_is_the_layer_that_grew() -> None:
    run = with_growth(healthy_run(0, layers=3), 120, 1.0)
    gradient = run[GRADIENT_NORM].values.copy()
    gradient[120:, 2] *= 1e4
    run = changed(run, GRADIENT_NORM, gradient)
    evidence = the_finding(RULE, run).evidence[0]
    steps = run[GRADIENT_NORM].steps
    assert evidence.column == "body.1.weight"
    assert (evidence.first_step, evidence.last_step) == (steps[120], steps[-1])


def broken_off(factor: float, at: int = 8) -> Run:
    """The gradient grows by `factor` over a few records, then loss and gradients are NaN."""
    run = head(healthy_run(0, layers=3), at + 20)
    values = np.full(run[GRADIENT_NORM].values.shape, 0.1)
    values[: at + 1] *= np.geomspace(1, factor, at + 1)[:, None]
    values[at + 1 :] = np.nan
    late = np.arange(at + 20) > at
    run = changed(run, GRADIENT_NORM, values)
    run = changed(run, GRADIENT_NONFINITE, np.ones(values.shape) * late[:, None])
    return changed(run, LOSS_NONFINITE, late)


def test_fires_on_a_short_growth_that_ends_in_nan() -> None:
    finding = the_finding(RULE, broken_off(1e6))
    assert f"up to step {finding.last_step}" in finding.message.en
    assert finding.last_step == healthy_run(0)[LOSS].steps[8]
    assert not findings(RULE, broken_off(50.0, at=12))


def test_the_growth_within_the_last_window_counts() -> None:
    run = broken_off(1.0)
    highest = run[GRADIENT_NORM].values.copy()
    highest[8] *= 1e4
    steps, names = run[GRADIENT_NORM].steps, run[GRADIENT_NORM].columns
    most = table(GRADIENT_NORM.highest(), steps, highest, names)
    assert findings(RULE, Run("w", {**run.tables, most.quantity.name: most}, run.facts))


def test_not_evaluated_on_few_or_no_gradients() -> None:
    assert outcome(RULE, head(healthy_run(0), 5)).verdict is Verdict.NOT_EVALUATED
    assert outcome(RULE, without(healthy_run(0), GRADIENT_NORM)).missing == (GRADIENT_NORM.name,)
    assert not findings(RULE, without(healthy_run(0), LOSS, PARAMETER_NORM))
