from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from helpers.rule_asserts import findings, first_evidence, the_finding
from made.changes import changed, with_loss, with_overfitting, without
from made.healthy import healthy_run
from made.logs import log, noisy
from made.loss_calls import with_call
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.quantities import VALIDATION_LOSS, WEIGHTED_PHASE
from tb_lossdiag.rules.loss_curve.overfitting import Overfitting
from tb_lossdiag.run import Run
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


@pytest.mark.parametrize("phase", ["train", "validation"])
def test_losses_of_other_weights_are_not_compared(phase: str) -> None:
    run = replace(SICK, facts={**SICK.facts, WEIGHTED_PHASE: phase})
    assert outcome(RULE, run).verdict is Verdict.NOT_EVALUATED


@pytest.mark.parametrize("seed", range(20))
def test_clear_on_healthy_runs(seed: int) -> None:
    assert not findings(RULE, healthy_run(seed))


def test_clear_just_below_the_rise() -> None:
    assert not findings(RULE, with_overfitting(healthy_run(0), 10, rise=0.1))
    assert findings(RULE, with_overfitting(healthy_run(0), 10, rise=0.25))
    assert not findings(RULE, with_overfitting(healthy_run(0), 8, rise=0.04))
    assert findings(RULE, with_overfitting(healthy_run(0), 8, rise=0.08))


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


FALLING = np.geomspace(2.4, 1.2, 10)


def test_ten_epochs_that_rise_from_the_first_on() -> None:
    finding = the_finding(RULE, log(FALLING, np.linspace(2.45, 2.82, 10)))
    assert finding.numbers["best_step"] == 0
    assert not findings(RULE, log(FALLING, np.linspace(2.45, 2.52, 10)[::-1]))


@pytest.mark.parametrize("seed", range(10))
def test_a_slow_rise_counts_when_it_lasts_half_of_the_run(seed: int) -> None:
    train = noisy(np.geomspace(1.0, 0.3, 45), 0.01, seed)
    early = np.r_[np.linspace(1.0, 0.8, 10), np.linspace(0.8, 0.8 * 1.07, 35)]
    late = np.r_[np.linspace(1.0, 0.8, 30), np.linspace(0.8, 0.8 * 1.07, 15)]
    assert findings(RULE, log(train, noisy(early, 0.005, seed)))
    assert not findings(RULE, log(train, noisy(late, 0.005, seed)))


@pytest.mark.parametrize("seed", range(30))
def test_a_noisy_level_validation_is_no_rise(seed: int) -> None:
    train = noisy(np.geomspace(1.0, 0.8, 45), 0.01, seed)
    flat = np.r_[np.linspace(1.0, 0.8, 10), np.full(35, 0.8)]
    assert not findings(RULE, log(train, noisy(flat, 0.05, seed)))


@pytest.mark.parametrize("records", [6, 10, 40])
def test_a_validation_that_never_improved_while_training_did(records: int) -> None:
    train = np.geomspace(0.69, 0.2, records)
    finding = the_finding(RULE, log(train, noisy(np.full(records, 0.7), 0.01)))
    assert "never" in finding.message.en
    assert not findings(RULE, log(train, noisy(np.linspace(0.7, 0.6, records), 0.01)))
    assert not findings(RULE, log(np.linspace(0.69, 0.62, records), np.full(records, 0.7)))


@pytest.mark.parametrize("seed", range(10))
def test_a_validation_that_had_learned_before_its_first_record_is_no_such_case(seed: int) -> None:
    """The first epoch taught nearly everything; after it only the training loss moves."""
    train = noisy(np.r_[2.3, np.geomspace(0.5, 0.3, 9)], 0.01, seed)
    assert not findings(RULE, log(train, noisy(np.full(10, 0.45), 0.01, seed)))


@pytest.mark.parametrize("seed", range(10))
def test_a_first_value_in_much_noise_proves_nothing(seed: int) -> None:
    train = np.geomspace(0.69, 0.5, 10)
    assert not findings(RULE, log(train, noisy(np.linspace(0.69, 0.6, 10), 0.15, seed)))


@pytest.mark.parametrize(
    ("best", "then", "function", "index", "fires"),
    [
        (2.31, 1.9, "cross_entropy", 1, False),
        (2.29, 1.9, "cross_entropy", 1, True),  # it was known once
        (2.31, 2.1, "cross_entropy", 1, True),  # learned by heart, slowly
        (2.31, 1.9, "mse_loss", 1, True),
        (2.31, 1.9, "cross_entropy", 0, True),
    ],
)
def test_classes_that_were_never_told_apart_are_other_ones(
    best: float, then: float, function: str, index: int, *, fires: bool
) -> None:
    run = with_loss(healthy_run(0), np.geomspace(then, 0.1, 200))
    rising = changed(run, VALIDATION_LOSS, np.linspace(best, 8.0, 20))
    run = with_call(rising, function, outputs=10.0, target_index=index)
    assert bool(findings(RULE, run)) is fires


def by_heart(worst: float = 2.36, least: float = 2.303, end: float = 2.2) -> Run:
    """Ten classes: the training comes a little below guessing, and validations rise from where guessing is."""
    run = with_loss(healthy_run(0), noisy(np.linspace(2.305, end, 200), 0.003))
    rising = changed(run, VALIDATION_LOSS, np.linspace(least, worst, 20))
    return with_call(rising, "cross_entropy", outputs=10.0, target_index=1)


def test_labels_that_have_nothing_to_do_with_their_samples() -> None:
    finding = the_finding(RULE, by_heart())
    assert "No validation has cost less than guessing (2.3)" in finding.message.en
    assert "whether each label belongs to its sample" in finding.advice.en


@pytest.mark.parametrize(
    "run",
    [
        by_heart(least=2.297),  # a validation was below guessing
        by_heart(worst=2.3031, least=2.31),  # they fall
        by_heart(end=2.28),  # little is learned by heart
        by_heart(worst=3.6, least=3.5),  # of another scale
        changed(by_heart(), VALIDATION_LOSS, noisy(np.full(20, 2.33), 0.004)),  # no trend
        with_call(by_heart(), "mse_loss", outputs=10.0, target_index=1),
        with_call(by_heart(), "cross_entropy", outputs=10.0, target_index=0),
    ],
)
def test_validations_near_guessing_that_say_less(run: Run) -> None:
    assert not findings(RULE, run)
