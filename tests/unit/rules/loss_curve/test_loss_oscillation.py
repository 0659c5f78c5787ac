from __future__ import annotations

import numpy as np
import pytest

from helpers.rule_asserts import findings, first_evidence, the_finding
from made.changes import changed, each_step, falling, head, optimized_by, with_loss, without
from made.healthy import healthy_run
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import GRADIENT_NORM, LEARNING_RATE, LOSS, STEPS, VALIDATION_LOSS
from tb_lossdiag.records import Doubles
from tb_lossdiag.rules.loss_curve.loss_oscillation import LossOscillation
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = LossOscillation()
RUN = each_step(without(healthy_run(1), VALIDATION_LOSS))


def with_swing(run: Run, swing: float = 0.3, fall: float = 0.0) -> Run:
    """A loss that swings around its level in the second half, up and down by `swing` of it."""
    n = len(run[LOSS])
    values = falling(n, 0.02)
    half = n // 2
    level = 1.2 * (1 - fall * np.linspace(0, 1, n - half))
    values[half:] = level * (1 + swing * (-1.0) ** np.arange(n - half))
    return long_steps(with_loss(run, values))


def long_steps(run: Run, gradient: float = 1.0) -> Run:
    """The run with a learning rate of 0.3 and gradients of this norm: steps that can change a loss by about 1."""
    steep = changed(run, GRADIENT_NORM, np.full(run[GRADIENT_NORM].values.shape, gradient))
    return changed(steep, LEARNING_RATE, np.full(len(run[LEARNING_RATE]), 0.3))


SICK = with_swing(RUN)


def jumping(noise: float, level: float = 1.0, seed: int = 0) -> Run:
    """A quiet first half, then independent noise of this size around a level."""
    rng = np.random.default_rng(seed)
    values: Doubles = falling(200, 0.02)
    values[100:] = level * np.exp(rng.normal(0, noise, 100))
    return long_steps(with_loss(RUN, values))


def test_fires_on_a_swing_of_period_two() -> None:
    finding = the_finding(RULE, with_swing(RUN))
    assert finding.severity is Severity.WARNING
    assert "from step to step" in finding.message.en
    assert finding.evidence[0].observed == pytest.approx(-1.0, abs=0.05)


def test_fires_when_the_loss_begins_to_jump() -> None:
    assert "times as much as in the run's first part" in the_finding(RULE, jumping(0.5)).message.en


@pytest.mark.parametrize("seed", range(30))
def test_clear_on_healthy_runs(seed: int) -> None:
    assert not findings(RULE, healthy_run(seed))


@pytest.mark.parametrize("noise", [0.05, 0.3, 1.0])
def test_clear_on_noise_that_was_there_from_the_start(noise: float) -> None:
    for seed in range(10):
        level = np.random.default_rng(seed).lognormal(0, noise, 200)
        assert not findings(RULE, with_loss(RUN, level))


def test_clear_just_below_the_thresholds() -> None:
    assert not findings(RULE, with_swing(RUN, 0.09))
    assert findings(RULE, with_swing(RUN, 0.12))
    assert not findings(RULE, jumping(0.08))


def test_clear_while_it_falls() -> None:
    assert not findings(RULE, with_swing(RUN, 0.3, fall=0.3))
    assert findings(RULE, with_swing(RUN, 0.3, fall=0.03))


def test_clear_on_a_converged_loss() -> None:
    assert not findings(RULE, jumping(0.5, level=0.05))


def test_clear_when_a_fixed_set_is_steady() -> None:
    run = with_swing(each_step(healthy_run(1)))
    assert not findings(RULE, run)
    swings = 1.2 * (1 + 0.3 * (-1.0) ** np.arange(20))
    assert findings(RULE, changed(run, VALIDATION_LOSS, swings))


def test_clear_when_no_step_can_do_that() -> None:
    swings = with_swing(optimized_by(RUN, "SGD"))
    assert findings(RULE, long_steps(swings, 0.25))
    assert not findings(RULE, long_steps(swings, 0.05))


def test_worth_knowing_where_the_length_of_steps_is_not_known() -> None:
    assert the_finding(RULE, without(with_swing(RUN), GRADIENT_NORM)).severity is Severity.INFO


def test_a_swing_between_sparse_records_is_not_seen() -> None:
    every = without(healthy_run(4), VALIDATION_LOSS)
    assert every[LOSS].steps[1] > 1
    assert "from step to step" not in the_finding(RULE, with_swing(every)).message.en


def test_evidence_is_the_second_half() -> None:
    evidence = first_evidence(RULE, with_swing(RUN))
    assert (evidence.first_step, evidence.last_step) == (100, 199)
    assert (evidence.quantity, evidence.column) == (LOSS.name, "")


@pytest.mark.parametrize(("optimizer", "word"), [("SGD", "momentum"), ("Adam", "only a decay")])
def test_advice_fits_the_optimizer(optimizer: str, word: str) -> None:
    assert word in the_finding(RULE, with_swing(optimized_by(RUN, optimizer))).advice.en


def test_not_evaluated_on_few_records_negative_losses_or_games() -> None:
    assert outcome(RULE, head(with_swing(RUN), 79)).verdict is Verdict.NOT_EVALUATED
    assert outcome(RULE, with_loss(RUN, np.linspace(1, -1, 200))).verdict is Verdict.NOT_EVALUATED
    two = changed(with_swing(RUN), STEPS, np.ones((200, 2)), ("g", "d"))
    assert outcome(RULE, two).verdict is Verdict.NOT_EVALUATED
    assert outcome(RULE, without(RUN, LOSS)).missing == (LOSS.name,)
