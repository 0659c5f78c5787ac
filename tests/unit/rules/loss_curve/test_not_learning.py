from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from helpers.rule_asserts import findings, first_evidence, the_finding
from made.changes import changed, head, stuck, with_loss, without
from made.check_ups import with_tables
from made.healthy import healthy_run
from made.logs import log, noisy
from made.loss_calls import with_call
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import (
    CALL_BASELINE,
    CALL_MARGIN,
    CALL_OUTPUTS,
    CALL_SAMPLES,
    CALL_TARGET_MAX,
    CALL_TARGET_MEAN,
    CALL_TARGET_MIN,
    CALL_TARGET_STD,
    CALL_VALUE,
    COPY_DISTANCE,
    INPUT_STD,
    LEARNING_RATE,
    LOSS,
    LOSS_OF_ANOTHER,
    LOSS_WEIGHT,
    STEPS,
    VALIDATION_LOSS,
)
from tb_lossdiag.records import table
from tb_lossdiag.rules.loss_curve.not_learning import NotLearning
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = NotLearning()
SICK = stuck(healthy_run(1))


def plain(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> Run:
    return with_loss(healthy_run(0), values)


@pytest.mark.parametrize("seed", range(5))
def test_fires_on_a_loss_that_stays_where_it_began(seed: int) -> None:
    assert "LD104" in the_finding(RULE, stuck(healthy_run(seed), seed=seed)).code


@pytest.mark.parametrize("seed", range(30))
def test_clear_on_healthy_runs(seed: int) -> None:
    assert not findings(RULE, healthy_run(seed))


def test_clear_on_a_run_that_fell_early_and_is_flat() -> None:
    values = np.full(200, 0.3)
    values[:5] = [2.3, 1.9, 1.2, 0.6, 0.4]
    assert not findings(RULE, plain(values))


def test_clear_just_above_the_fall() -> None:
    for level, expected in ((0.985, 1), (0.975, 0)):
        values = np.full(200, level)
        values[:10] = 1
        assert len(findings(RULE, plain(values))) == expected


def test_clear_when_it_falls_slowly_but_steadily() -> None:
    assert not findings(RULE, plain(np.linspace(1.0, 0.99, 200)))
    assert findings(RULE, plain(np.linspace(1.0, 0.998, 200)))


def test_a_flat_ln_2_is_guessing() -> None:
    values = np.full(200, np.log(2))
    values[:20] = np.linspace(0.85, np.log(2), 20)
    assert "ln 2" in the_finding(RULE, without(plain(values), CALL_VALUE)).message.en
    assert not findings(RULE, plain(values))
    values[:20] = np.linspace(2.5, np.log(2), 20)
    assert not findings(RULE, without(plain(values), CALL_VALUE))


def test_a_noisy_level_near_ln_2_proves_nothing() -> None:
    values = np.log(2) * np.random.default_rng(0).lognormal(0, 0.3, 200)
    values[:20] *= np.linspace(1.25, 1, 20)
    values[-50:] *= np.log(2) / np.median(values[-50:])
    values[50:100] *= np.log(2) / np.median(values[50:100])
    values[:3] = 0.85
    noisy = without(plain(values), CALL_VALUE)
    assert not any("ln 2" in finding.message.en for finding in findings(RULE, noisy))


def called(value: float, baseline: float, classes: float, name: str = "cross_entropy") -> Run:
    """A loss that fell from far above and is flat, with its call in the check-ups."""
    values = np.full(200, value)
    values[:20] = np.linspace(5 * value, value, 20)
    run = plain(values)
    for quantity, number in (
        (CALL_VALUE, value),
        (CALL_BASELINE, baseline),
        (CALL_OUTPUTS, classes),
        (CALL_SAMPLES, 64.0),
    ):
        run = changed(run, quantity, np.full(len(run[quantity]), number), (name,))
    return run


@pytest.mark.parametrize("classes", [2, 10, 1000])
def test_guessing_between_any_number_of_classes(classes: int) -> None:
    finding = the_finding(RULE, called(np.log(classes), 0.9 * np.log(classes), classes))
    assert f"guessing between {classes} classes" in finding.message.en
    assert not findings(RULE, called(0.97 * np.log(classes), 0.8 * np.log(classes), classes))


def test_the_frequency_of_classes_is_guessing_too() -> None:
    entropy, bias = 0.5, 9 / 128  # what 64 samples of 10 classes lose of it
    finding = the_finding(RULE, called(entropy, entropy - bias, 10))
    assert "same best answer" in finding.message.en


def test_the_variance_of_the_targets_is_guessing_too() -> None:
    variance = 64 / 63 * 1600.0
    assert (
        "same best answer" in the_finding(RULE, called(variance, 1600.0, 1, "mse_loss")).message.en
    )
    assert not findings(RULE, called(0.9 * variance, 1600.0, 1, "mse_loss"))


@pytest.mark.parametrize("above", [1.03, 1.5, 20.0])
def test_what_stays_above_the_best_constant_has_learned_no_more_than_what_stays_on_it(
    above: float,
) -> None:
    run = called(above * 1600.0, 1600.0 * 63 / 64, 1, "mse_loss")
    assert "same best answer" in the_finding(RULE, run).message.en


@pytest.mark.parametrize(("share", "severity"), [(0.49, Severity.INFO), (0.51, Severity.WARNING)])
def test_what_could_do_it_before_may_have_no_more_to_learn(
    share: float, severity: Severity
) -> None:
    guessing = 0.9 * np.log(10) + 9 / 128
    run = with_loss(called(share * guessing, 0.9 * np.log(10), 10), np.full(200, share * guessing))
    finding = the_finding(RULE, run)
    assert finding.severity is severity
    assert ("of what guessing costs from the beginning" in finding.message.en) is (share < 0.5)


def test_two_quarters_may_differ_by_the_error_of_their_difference() -> None:
    """Three standard errors of one quarter alone were too few for one run in thirty."""
    noise = np.random.default_rng(0).normal(0, 0.02, (200, 200))
    flat = [findings(RULE, plain(1 + each)) for each in noise]
    assert sum(map(bool, flat)) >= 194  # of one quarter's error: 188


def test_the_recorded_loss_tells_where_late_check_ups_are_few() -> None:
    run = called(np.log(10), 2.2, 10)
    values = run[LOSS].at(run[CALL_VALUE].steps, [""])
    early = np.arange(len(values)) < 4
    another = values * np.linspace(1.0, 1.1, len(values))[:, None]
    for call, expected in ((values, 1), (1e-3 * values, 0), (another, 0)):
        seen = np.where(early[:, None], call, np.nan)
        few = changed(run, CALL_VALUE, seen, ("cross_entropy",))
        assert len(findings(RULE, few)) == expected
    # A weight of the whole loss changes its unit, not what it is.
    seen = np.where(early[:, None], values, np.nan)
    few = changed(run, CALL_VALUE, seen, ("cross_entropy",))
    assert findings(RULE, changed(few, LOSS, 1000 * run[LOSS].values))


def test_the_balance_of_a_game_is_not_judged() -> None:
    two = changed(stuck(healthy_run(0)), STEPS, np.ones((200, 2)), ("generator", "critic"))
    assert outcome(RULE, two).verdict is Verdict.NOT_EVALUATED


def test_evidence_is_the_whole_run() -> None:
    run = stuck(healthy_run(3))
    evidence = first_evidence(RULE, run)
    assert (evidence.first_step, evidence.last_step) == (0, run[LOSS].steps[-1])
    assert (evidence.quantity, evidence.column) == (LOSS.name, "")


def test_not_evaluated_when_the_beginning_or_the_full_rate_is_missing() -> None:
    run = stuck(healthy_run(0))
    late = replace(run[LOSS], steps=run[LOSS].steps + 100_000)
    resumed = replace(run, tables={**run.tables, LOSS.name: late})
    assert outcome(RULE, resumed).verdict is Verdict.NOT_EVALUATED
    warming = changed(run, LEARNING_RATE, np.linspace(0, 1e-3, 200))
    assert outcome(RULE, warming).verdict is Verdict.NOT_EVALUATED


def test_not_evaluated_on_short_or_missing_losses() -> None:
    assert outcome(RULE, head(stuck(healthy_run(0)), 11)).verdict is Verdict.NOT_EVALUATED
    assert outcome(RULE, without(healthy_run(0), LOSS)).missing == (LOSS.name,)


@pytest.mark.parametrize("end", [2.0, 2.5])
def test_a_noisy_loss_that_ends_no_lower_has_not_fallen(end: float) -> None:
    """Two standard errors, asked three times, acquit one in ten."""
    level = np.r_[np.full(20, 2.0), np.full(380, end)]
    found = [findings(RULE, log(noisy(level, 0.07, seed))) for seed in range(20)]
    assert sum(map(len, found)) >= 17


@pytest.mark.parametrize("seed", range(30))
def test_a_noisy_loss_that_fell_early_has_learned(seed: int) -> None:
    """Its first records tell nothing by themselves: those after them do."""
    level = 1.6 + 0.4 * np.exp(-np.arange(400) / 20)
    assert not findings(RULE, log(noisy(level, 0.05, seed)))


@pytest.mark.parametrize("records", [12, 20, 40])
@pytest.mark.parametrize("seed", range(5))
def test_few_records_suffice_where_each_stands_for_many_steps(records: int, seed: int) -> None:
    flat = noisy(np.full(records, 2.3), 0.01, seed)
    assert findings(RULE, log(flat, every=50))
    assert findings(RULE, log(flat, flat))  # epochs: each with its validation
    assert outcome(RULE, log(flat)).verdict is Verdict.NOT_EVALUATED


@pytest.mark.parametrize("records", [12, 20, 40])
@pytest.mark.parametrize("seed", range(10))
def test_few_records_of_a_loss_that_falls_or_is_noisy_are_no_proof(records: int, seed: int) -> None:
    falling = np.geomspace(1.0, 0.8, records)
    assert not findings(RULE, log(noisy(falling, 0.02, seed), every=50))
    early = 0.5 + 0.5 * np.exp(-np.arange(records))
    assert not findings(RULE, log(noisy(early, 0.05, seed), every=50))
    wild = noisy(np.linspace(1.0, 0.8, records), 0.4, seed)
    assert not findings(RULE, log(wild, every=50))


def pairs(end: float, rate: float = 0.05, first: float = 1.0) -> Run:
    """A loss that drifts from ln 2 to this share of it, without check-ups, and a rate that comes down to this share of its peak."""
    levels = np.r_[np.full(50, first), np.linspace(1, end, 150)]
    run = without(plain(np.log(2) * levels), CALL_VALUE, CALL_BASELINE)
    return changed(run, LEARNING_RATE, np.linspace(1e-3, rate * 1e-3, 200))


def test_a_drift_near_ln_2_has_won_nothing_once_the_schedule_has_ended() -> None:
    finding = the_finding(RULE, pairs(0.985))
    assert "within 2% of ln 2 throughout" in finding.message.en
    assert not findings(RULE, pairs(0.985, rate=0.06))
    assert not findings(RULE, pairs(0.975))
    assert not findings(RULE, pairs(0.985, first=1.025))
    assert not findings(RULE, without(pairs(0.985), LEARNING_RATE))


def triplets(level: float, margin: float = 1.0, unit: float = 1.0, last: float = 1.0) -> Run:
    """A triplet loss of this level for a while, above its margin later."""
    values = np.r_[np.full(75, 1.0), np.full(75, level), np.full(50, 1.1)] * margin
    values[-20:] *= last
    run = with_loss(with_call(healthy_run(0), "triplet_margin_loss"), values)
    at = run[CALL_VALUE].steps
    value = unit * run[LOSS].at(at)[:, 0]
    tables = [
        table(CALL_VALUE, at, value[:, None], ("triplet_margin_loss",)),
        table(CALL_MARGIN, at, np.full((len(at), 1), margin), ("triplet_margin_loss",)),
    ]
    return with_tables(run, tables)


def test_a_triplet_loss_that_never_leaves_its_margin() -> None:
    finding = the_finding(RULE, triplets(0.985, 0.3))
    assert "has never cost less than its margin, 0.3, by more than 2%" in finding.message.en
    assert not findings(RULE, triplets(0.975, 0.3))
    assert not findings(RULE, triplets(0.985, unit=0.5))
    assert not findings(RULE, triplets(1.0, last=0.9))
    assert not findings(RULE, without(triplets(0.985), CALL_MARGIN))
    other = with_call(triplets(0.985), "mse_loss")
    two = {**triplets(0.985).tables, CALL_VALUE.name: other[CALL_VALUE]}
    assert not findings(RULE, replace(other, tables={**other.tables, **two}))


def test_values_beside_a_second_network_measure_no_progress() -> None:
    sick = without(SICK, *(each for each in (VALIDATION_LOSS,) if each in SICK))
    steps = sick[LOSS].steps[:3]
    spreads = table(CALL_TARGET_STD, steps, np.ones((3, 1)), ("mse_loss",))
    means = table(CALL_TARGET_MEAN, steps, np.zeros((3, 1)), ("mse_loss",))
    copy = table(COPY_DISTANCE, steps, np.full((3, 1), 0.1), ("",))
    made = {each.quantity.name: each for each in (means, spreads, copy)}
    tables = {**sick.tables, **made}
    beside = outcome(RULE, replace(sick, tables=tables))
    assert beside.verdict is Verdict.NOT_EVALUATED
    assert outcome(RULE, without(replace(sick, tables=tables), COPY_DISTANCE)).verdict is (
        Verdict.FINDINGS
    )


@pytest.mark.parametrize(("mixed", "judged"), [(200, False), (101, False), (100, True)])
def test_losses_of_players_that_take_turns_are_no_curve(mixed: int, judged: bool) -> None:
    steps = SICK[LOSS].steps[:mixed]
    turns = with_tables(SICK, [table(LOSS_OF_ANOTHER, steps, np.ones(mixed))])
    assert (outcome(RULE, turns).verdict is Verdict.FINDINGS) == judged
    assert (outcome(RULE, turns).verdict is Verdict.NOT_EVALUATED) != judged


RISES = (0.03, 0.08, 0.2, 0.5)


@pytest.mark.parametrize("rise", RISES)
@pytest.mark.parametrize("noise", [0.0, 0.02, 0.07])
def test_a_loss_that_rises_has_not_fallen_either(rise: float, noise: float) -> None:
    """Below the doubling that is a divergence nobody named it."""
    climbing = noisy(2.3 * np.linspace(1, 1 + rise, 300), noise, seed=1)
    finding = the_finding(RULE, log(climbing))
    assert rise <= 2 * noise or "risen all along" in finding.message.en


@pytest.mark.parametrize("seed", range(10))
def test_a_rise_that_follows_a_fall_or_ends_is_none(seed: int) -> None:
    waves = np.r_[np.linspace(2.3, 1.8, 100), np.linspace(1.8, 2.6, 200)]
    assert not findings(RULE, log(noisy(waves, 0.02, seed)))
    over = np.r_[np.linspace(2.3, 4, 100), np.linspace(4, 2.5, 200)]
    assert not findings(RULE, log(noisy(over, 0.02, seed)))


def test_a_rise_that_something_else_makes_is_none() -> None:
    climbing = log(noisy(2.3 * np.linspace(1, 1.5, 200), 0.02, seed=0))
    assert findings(RULE, climbing)
    steps, ramp = range(0, 200, 20), np.linspace(0.1, 1, 10)
    for quantity in (INPUT_STD, CALL_TARGET_STD, LOSS_WEIGHT):
        column = "mse_loss" if quantity is CALL_TARGET_STD else ""
        other = with_tables(climbing, [table(quantity, steps, ramp, (column,))])
        assert not findings(RULE, other), quantity
    better = with_tables(climbing, [table(VALIDATION_LOSS, steps, np.linspace(2, 1, 10))])
    assert not findings(RULE, better)
    worse = with_tables(climbing, [table(VALIDATION_LOSS, steps, np.linspace(2, 3, 10))])
    assert findings(RULE, worse)
    knows = with_call(climbing, "cross_entropy", value=1.0, baseline=2.3)
    guesses = with_call(climbing, "cross_entropy", value=2.4, baseline=2.3)
    assert not findings(RULE, knows)
    assert findings(RULE, guesses)


def test_epochs_are_known_by_an_accuracy_as_well() -> None:
    flat = noisy(np.full(20, 2.3), 0.01, seed=0)
    assert findings(RULE, log(flat, held_out=np.full(20, 0.1)))


def against_a_queue(last: float, outputs: int = 4097) -> Run:
    """Negatives that are noise, until half of the run has filled the queue with real samples."""
    steps = np.arange(200)
    rises, falls = 8.0 - 1.4 * (1 - steps / 100) ** 2, 8.0 + (last - 8.0) * (steps - 100) / 100
    values = noisy(np.where(steps < 100, rises, falls), 0.002)
    run = with_call(plain(values), "cross_entropy", outputs=outputs, target_unique=1)
    for quantity, value in (
        (CALL_SAMPLES, 32),
        (CALL_TARGET_MIN, 0),
        (CALL_TARGET_MAX, 0),
        (CALL_BASELINE, np.nan),
        (CALL_VALUE, np.nan),
    ):
        run = changed(run, quantity, value)
    return run


def test_a_queue_that_fills_is_no_beginning() -> None:
    assert not findings(RULE, against_a_queue(7.88))
    assert findings(RULE, against_a_queue(7.88, outputs=63)), "no queue"
    assert the_finding(RULE, against_a_queue(7.99)).numbers["start"] > 7.9
