from __future__ import annotations

import numpy as np
import pytest

from helpers.rule_asserts import findings, first_evidence, the_finding
from made.changes import changed, with_first_call, with_loss, without
from made.check_ups import with_tables
from made.healthy import healthy_run
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import (
    CALL_BASELINE,
    CALL_MAJORITY,
    CALL_OUTPUTS,
    CALL_SAMPLES,
    CALL_SOURCE,
    CALL_SUMMED,
    CALL_TARGET_MEAN,
    CALL_TARGET_STD,
    CALL_VALUE,
    CALL_WEIGHTED,
    COPY_DISTANCE,
    EXTRA,
    LEARNED_BEFORE,
    LOSS,
    LOSS_TERM,
    LOSS_WEIGHT,
    PARAMETER_TRAINABLE,
    Quantity,
    Source,
)
from tb_lossdiag.records import table
from tb_lossdiag.rules.loss_curve.initial_loss_off import InitialLossOff
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = InitialLossOff()
RUN = healthy_run(1)
SEEN = len(RUN[CALL_VALUE])
SICK = with_first_call(RUN, 8.0, 6.0)


def as_call(run: Run, name: str) -> Run:
    """The run with its loss call renamed."""
    calls = [t.quantity for t in run.tables.values() if t.quantity.frame == "call"]
    for quantity in calls:
        run = changed(run, quantity, run[quantity].values, (name,))
    return run


def regression(first: float, variance: float = 1.0) -> Run:
    run = changed(RUN, CALL_BASELINE, np.full(len(RUN[CALL_BASELINE]), variance))
    return as_call(with_first_call(run, first, 0.5 * variance), "mse_loss")


def test_warns_when_it_stays() -> None:
    finding = the_finding(RULE, with_first_call(RUN, 8.0, 6.0))
    assert finding.severity is Severity.WARNING
    assert "still above" in finding.message.en
    assert "last.weight.mul_(0.1)" in finding.advice.en


def test_worth_knowing_when_it_recovers() -> None:
    assert the_finding(RULE, with_first_call(RUN, 8.0, 1.0)).severity is Severity.INFO


def begun(trainable: list[float], later: float = 1.0) -> Run:
    """Parameters that are trainable or not at the first record; all of them are, or are not, later on."""
    names = tuple(f"{i}.weight" for i in range(len(trainable)))
    flags = np.array([trainable, [later] * len(trainable)])
    known = table(PARAMETER_TRAINABLE, np.array([0, 50]), flags, names)
    return with_tables(SICK, [known])


@pytest.mark.parametrize("later", [0.0, 1.0])
def test_a_model_that_is_mostly_frozen_has_learned_before(later: float) -> None:
    finding = the_finding(RULE, begun([0, 0, 1, 1], later))
    assert finding.severity is Severity.INFO
    assert "untrained" not in finding.message.en
    assert "learned before" in finding.advice.en


@pytest.mark.parametrize(("flags", "learned"), [([1.0], True), ([0.0], False), ([1.0, 0.0], False)])
def test_weights_that_are_not_as_they_were_drawn(flags: list[float], *, learned: bool) -> None:
    names = tuple("ab"[: len(flags)]) if len(flags) > 1 else ("",)
    run = with_tables(SICK, [table(LEARNED_BEFORE, np.array([0]), np.array([flags]), names)])
    finding = the_finding(RULE, run)
    assert (finding.severity is Severity.INFO) == learned
    assert ("untrained" in finding.message.en) != learned


@pytest.mark.parametrize("trainable", [[1, 1, 1, 1], [0, 1, 1, 1]])
def test_a_frozen_table_is_not_a_model_that_has_learned(trainable: list[float]) -> None:
    finding = the_finding(RULE, begun(trainable))
    assert finding.severity is Severity.WARNING
    assert "untrained" in finding.message.en


def recorded(back: int) -> Run:
    """A call of 8 in all check-ups, whose recorded loss falls below the bound from the record `back` on."""
    run = with_first_call(RUN, 8.0, 8.0)
    return with_loss(run, np.where(np.arange(200) < back, 8.0, 1.0))


def test_the_recorded_loss_tells_when_it_recovers() -> None:
    soon, late = recorded(19), recorded(22)
    assert the_finding(RULE, soon).severity is Severity.INFO
    assert the_finding(RULE, late).severity is Severity.WARNING
    assert f"by step {late[LOSS].steps[22]}" in the_finding(RULE, late).message.en


@pytest.mark.parametrize(
    ("above", "severity"), [(19, Severity.INFO), (21, Severity.WARNING), (0, Severity.INFO)]
)
def test_when_it_fell_is_not_known_better_than_the_check_ups_say(
    above: int, severity: Severity
) -> None:
    """The last one above the bound was at step `above` of 200, the next one after it at 60."""
    steps = np.array([0, above, 60] if above else [0, 60])
    values = np.array([8.0, 8.0, 1.0] if above else [8.0, 1.0])
    others = {n: t for n, t in RUN.tables.items() if t.quantity.frame != "call" and n != "loss"}
    call = ["cross_entropy"]
    tables = [
        table(CALL_VALUE, steps, values, call),
        table(CALL_BASELINE, steps, np.full(len(steps), 2.2), call),
        table(CALL_OUTPUTS, steps, np.full(len(steps), 10.0), call),
        table(LOSS, np.arange(200), np.full(200, 1.0)),
    ]
    run = with_tables(Run("sparse", others, RUN.facts), tables)
    finding = the_finding(RULE, run)
    assert finding.severity is severity
    assert "below that bound by step 60" in finding.message.en


def test_a_recorded_loss_of_another_value_tells_nothing() -> None:
    other = with_loss(recorded(10), np.where(np.arange(200) < 10, 9.0, 1.0))
    assert the_finding(RULE, other).severity is Severity.WARNING


@pytest.mark.parametrize("seed", range(20))
def test_clear_on_healthy_runs(seed: int) -> None:
    assert not findings(RULE, healthy_run(seed))


def test_clear_just_below_twice_the_guess() -> None:
    assert not findings(RULE, with_first_call(RUN, 1.98 * np.log(10)))
    assert findings(RULE, with_first_call(RUN, 2.02 * np.log(10)))


def test_any_number_of_classes() -> None:
    many = changed(RUN, CALL_OUTPUTS, np.full(len(RUN[CALL_OUTPUTS]), 50_000.0))
    assert not findings(RULE, with_first_call(many, 11.0))
    assert findings(RULE, with_first_call(many, 22.0))


def test_a_sum_over_the_batch_is_compared_with_a_sum() -> None:
    first = with_first_call(RUN, 64 * 2.3, 64.0)
    assert findings(RULE, changed(first, CALL_BASELINE, np.full(SEEN, 2.2)))
    run = changed(first, CALL_BASELINE, np.full(SEEN, 64 * 2.2))
    assert not findings(RULE, changed(run, CALL_SUMMED, np.ones(SEEN)))


def test_a_mean_over_samples_of_sums_is_compared_with_as_many_guesses() -> None:
    """12 tokens of each sample are added up: no mean costs more than the entropy of all of them together."""
    run = changed(with_first_call(RUN, 12 * 2.3), CALL_BASELINE, np.full(SEEN, 12 * 2.2))
    assert not findings(RULE, run)
    assert findings(
        RULE, changed(with_first_call(run, 12 * 5.1), CALL_BASELINE, np.full(SEEN, 26.4))
    )


def test_a_sum_is_compared_with_the_guess_for_each_of_its_answers() -> None:
    """256 tokens of a vocabulary of 50,000: their own entropy is at most ln 256, half of what guessing costs."""
    tokens, words = 256, np.log(50_000)
    facts = {CALL_SUMMED: 1, CALL_OUTPUTS: 50_000, CALL_MAJORITY: 0.05, CALL_BASELINE: tokens * 5.0}
    summed = with_first_call(RUN, tokens * words, tokens * 4.0)
    for quantity, value in facts.items():
        summed = changed(summed, quantity, np.full(SEEN, float(value)))
    for samples in (1, 4, tokens):  # scores of one sample may have many answers
        run = changed(summed, CALL_SAMPLES, np.full(SEEN, float(samples)))
        assert not findings(RULE, run)
        assert findings(RULE, with_first_call(run, 2.6 * tokens * words))


def test_a_sum_of_yes_or_no_is_compared_with_ln_2_each() -> None:
    """Pixels that are nearly all dark: their own entropy is a fifth of a coin's."""
    run = as_call(
        changed(RUN, CALL_BASELINE, np.full(SEEN, 64 * 784 * 0.14)), "binary_cross_entropy"
    )
    run = changed(changed(run, CALL_SUMMED, np.ones(SEEN)), CALL_OUTPUTS, np.full(SEEN, 784.0))
    assert not findings(RULE, with_first_call(run, 64 * 784 * 0.7))
    assert findings(RULE, with_first_call(run, 64 * 784 * 1.4))


def test_scores_that_were_scaled_after_the_last_layer_begin_higher() -> None:
    """Cosines times 30 with a margin begin at 17, and are meant to."""
    source = np.full(SEEN, float(Source.OTHER))
    assert not findings(RULE, changed(with_first_call(RUN, 24.5 * np.log(10)), CALL_SOURCE, source))
    assert findings(RULE, changed(with_first_call(RUN, 25.5 * np.log(10)), CALL_SOURCE, source))


def test_an_agents_returns_are_not_judged() -> None:
    """The value's targets grow with the agent."""
    far = regression(11.0)
    reward = changed(far, EXTRA, 1.0, ("reward",))
    assert outcome(RULE, reward).verdict is Verdict.NOT_EVALUATED
    means = changed(far, CALL_TARGET_MEAN, np.linspace(5, 50, SEEN))
    assert (
        outcome(RULE, changed(means, CALL_TARGET_STD, np.ones(SEEN))).verdict
        is Verdict.NOT_EVALUATED
    )


def test_an_imbalanced_yes_or_no_begins_at_ln_2() -> None:
    rare = changed(RUN, CALL_BASELINE, np.full(len(RUN[CALL_BASELINE]), 0.05))
    binary = as_call(rare, "binary_cross_entropy_with_logits")
    assert not findings(RULE, with_first_call(binary, 0.7, 0.1))
    assert findings(RULE, with_first_call(binary, 1.5, 0.1))


def test_targets_far_from_zero_in_a_regression() -> None:
    assert not findings(RULE, regression(9.0))
    finding = the_finding(RULE, regression(11.0))
    assert "mean or median" in finding.message.en
    assert "(targets - mean) / std" in finding.advice.en


@pytest.mark.parametrize("quantity", [CALL_WEIGHTED])
def test_a_weighted_loss_is_not_judged(quantity: Quantity) -> None:
    weighted = changed(with_first_call(RUN, 8.0), quantity, np.ones(len(RUN[quantity])))
    assert outcome(RULE, weighted).verdict is Verdict.NOT_EVALUATED


def test_evidence_is_the_call_until_it_recovers() -> None:
    run = with_first_call(RUN, 8.0, 1.0)
    evidence, steps = first_evidence(RULE, run), run[CALL_VALUE].steps
    assert (evidence.quantity, evidence.column) == (CALL_VALUE.name, "cross_entropy")
    assert (evidence.first_step, evidence.last_step) == (steps[0], steps[1])


def test_not_evaluated_without_calls() -> None:
    assert outcome(RULE, without(RUN, CALL_VALUE)).missing == (CALL_VALUE.name,)


def test_a_single_recorded_loss_may_agree_by_chance() -> None:
    run = with_first_call(RUN, 8.0, 1.0)
    once = Run("once", {**run.tables, LOSS.name: table(LOSS, [0], [8.0])}, run.facts)
    assert the_finding(RULE, once).severity is Severity.INFO, "the calls tell that it came back"


def test_values_beside_a_second_network_may_be_its_answers() -> None:
    run = regression(900.0)
    assert findings(RULE, run)
    at = run[CALL_VALUE].steps
    copied = table(COPY_DISTANCE, at, np.full((len(at), 1), 0.1), ("",))
    assert outcome(RULE, with_tables(run, [copied])).verdict is Verdict.NOT_EVALUATED
    assert findings(RULE, with_tables(SICK, [copied])), (
        "guessing between classes costs what it costs"
    )


@pytest.mark.parametrize(
    ("first", "judged"), [(0.3, True), (0.2, False), (3.5, True), (4.5, False)]
)
def test_targets_that_a_network_makes_are_not_judged_by_the_first(
    first: float, *, judged: bool
) -> None:
    """A codebook's codes are ten times as far apart after one step: they are no data, and the first ones tell nothing of the rest."""
    run = changed(regression(900.0), CALL_TARGET_MEAN, np.zeros(SEEN))
    spreads = np.where(np.arange(SEEN) == 0, first, 1.0)
    verdict = outcome(RULE, changed(run, CALL_TARGET_STD, spreads)).verdict
    assert (verdict is not Verdict.NOT_EVALUATED) is judged


def as_a_term(weight: float, beside: float = 2.0) -> Run:
    """A regression that costs 900 times what guessing does, weighed, beside a term of which nothing is known."""
    run = changed(regression(900.0), CALL_VALUE, np.full(SEEN, 900.0))
    at = run[CALL_VALUE].steps
    values = np.tile([900.0, beside], (SEEN, 1))
    terms = table(LOSS_TERM, at, values, ("ink", "digit"))
    weights = table(LOSS_WEIGHT, at, np.tile([weight, 1.0], (SEEN, 1)), ("ink", "digit"))
    return with_tables(run, [terms, weights])


@pytest.mark.parametrize(
    ("run", "severity"),
    [
        (as_a_term(0.01), Severity.INFO),  # 11 beside a guess of 2.01
        (as_a_term(0.019), Severity.INFO),  # 19.1 of 2.02
        (as_a_term(0.022), Severity.WARNING),  # 21.8 of 2.02
        (as_a_term(1.0), Severity.WARNING),
        (as_a_term(0.01, beside=0.1), Severity.WARNING),
        (changed(as_a_term(0.01), LOSS_TERM, 7.0), Severity.WARNING),  # no term is this call
        (without(as_a_term(0.01), LOSS_WEIGHT), Severity.WARNING),
    ],
)
def test_a_term_counts_by_its_weight(run: Run, severity: Severity) -> None:
    finding = the_finding(RULE, run)
    assert finding.severity is severity
    assert ("By its weight" in finding.message.en) is (severity is Severity.INFO)
