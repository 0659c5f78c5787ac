from __future__ import annotations

import numpy as np
import pytest

from helpers.rule_asserts import alarms, findings, first_evidence, the_finding
from made.changes import changed, head, with_terms, without
from made.check_ups import with_tables
from made.healthy import healthy_run
from made.loss_calls import with_call
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import (
    CALL_BASELINE,
    CALL_VALUE,
    LOSS,
    LOSS_TERM,
    LOSS_WEIGHT,
    STEPS,
    TERM_GRADIENT_NORM,
)
from tb_lossdiag.records import table
from tb_lossdiag.rules.loss_terms.term_dominance import TermDominance
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = TermDominance()
PLAIN = without(healthy_run(0), TERM_GRADIENT_NORM)


def sick(big: float = 100.0, weights: tuple[float, float] = (1.0, 1.0), noise: float = 0.05) -> Run:
    rng = np.random.default_rng(0)
    terms = [big * np.geomspace(1, 0.5, 200), rng.lognormal(0, noise, 200)]
    return with_terms(PLAIN, np.stack(terms, axis=1), weights)


SICK = sick()


def test_the_losses_of_two_players_are_no_terms_of_one() -> None:
    two = changed(SICK, STEPS, np.ones((len(SICK[STEPS]), 2)), ("g", "d"))
    assert findings(RULE, two), "they add up to the loss"
    apart = changed(two, LOSS, 0.5 * two[LOSS].values)
    assert outcome(RULE, apart).verdict is Verdict.NOT_EVALUATED
    assert findings(RULE, changed(SICK, LOSS, 0.5 * SICK[LOSS].values)), "one model"


def test_warns_when_a_term_of_equal_weight_starves() -> None:
    finding = the_finding(RULE, sick())
    assert finding.severity is Severity.WARNING
    assert finding.subject == "main"
    assert "`aux`" in finding.message.en
    assert '("main", ' in finding.advice.en


@pytest.mark.parametrize(("weights", "noise"), [((1.0, 0.1), 0.05), ((1.0, 1.0), 0.0)])
def test_a_small_regulariser_is_only_worth_knowing(
    weights: tuple[float, float], noise: float
) -> None:
    assert the_finding(RULE, sick(100, weights, noise)).severity is Severity.INFO


@pytest.mark.parametrize("name", ["l2", "weight decay", "kl"])
def test_a_main_loss_and_its_penalty_are_as_they_should_be(name: str) -> None:
    run = sick(100, (1.0, 0.1))
    for quantity in (LOSS_TERM, LOSS_WEIGHT):
        run = changed(run, quantity, run[quantity].values, ("main", name))
    assert not findings(RULE, run)


def with_gradients(run: Run, big: float) -> Run:
    """The run with decompositions in which the first term's gradient is `big` times the second's."""
    steps = run[LOSS_TERM].steps[::10]
    norms = table(TERM_GRADIENT_NORM, steps, np.tile([big, 1.0], (20, 1)), ("main", "aux"))
    return Run("g", {**run.tables, TERM_GRADIENT_NORM.name: norms}, run.facts)


def test_gradients_decide_where_they_are_known() -> None:
    assert not findings(RULE, with_gradients(sick(), 1.0))
    finding = the_finding(RULE, with_gradients(sick(), 100.0))
    assert "99.0% of the gradient over 20 decompositions" in finding.message.en
    assert finding.severity is Severity.WARNING
    assert not findings(RULE, with_gradients(sick(big=1.0), 18.0))
    assert findings(RULE, with_gradients(sick(big=1.0), 20.0))


@pytest.mark.parametrize("seed", range(10))
def test_clear_on_healthy_runs(seed: int) -> None:
    assert not findings(RULE, healthy_run(seed))


def test_clear_just_below_the_share() -> None:
    assert not findings(RULE, with_terms(PLAIN, np.full((200, 2), [18.0, 1.0]), (1, 1)))
    assert findings(RULE, with_terms(PLAIN, np.full((200, 2), [20.0, 1.0]), (1, 1)))


def test_clear_in_a_short_phase() -> None:
    terms = np.full((200, 2), [1.0, 1.0])
    terms[:90, 0] = 100
    assert not findings(RULE, with_terms(PLAIN, terms))


def test_evidence_is_the_term_and_its_stretch() -> None:
    terms = np.full((200, 2), [100.0, 1.0])
    terms[:50, 0] = 1
    run = with_terms(PLAIN, terms)
    evidence, steps = first_evidence(RULE, run), run[LOSS_TERM].steps
    assert (evidence.quantity, evidence.column) == (LOSS_TERM.name, "main")
    assert (evidence.first_step, evidence.last_step) == (steps[50], steps[-1])


def test_not_evaluated_with_one_weighted_term_or_none() -> None:
    one = changed(sick(), LOSS_WEIGHT, np.tile([1.0, 0.0], (200, 1)))
    assert outcome(RULE, one).verdict is Verdict.NOT_EVALUATED
    assert outcome(RULE, head(sick(), 10)).verdict is Verdict.NOT_EVALUATED
    missing = outcome(RULE, without(sick(), LOSS_TERM)).missing
    assert missing == (LOSS_TERM.name,)
    assert not alarms(RULE, one)


def test_the_losses_of_two_players_need_no_loss_of_all() -> None:
    two = changed(SICK, STEPS, np.ones((len(SICK[STEPS]), 2)), ("g", "d"))
    assert outcome(RULE, without(two, LOSS)).verdict is Verdict.NOT_EVALUATED
    assert findings(RULE, without(SICK, LOSS)), "one model"


def test_a_gradient_of_what_is_no_term_is_not_said() -> None:
    run = with_gradients(sick(), 100.0)
    norms = run[TERM_GRADIENT_NORM]
    other = table(TERM_GRADIENT_NORM, norms.steps, norms.values, ("gone", "aux"))
    assert not findings(RULE, Run("g", {**run.tables, TERM_GRADIENT_NORM.name: other}, run.facts))


def guessing(level: float, call: str = "cross_entropy") -> Run:
    """A main loss of weight 50 beside classes at this level, which costs 2.3 to guess."""
    run = sick(100, (50.0, 1.0))
    terms = run[LOSS_TERM].values * np.array([1.0, level])
    return with_call(changed(run, LOSS_TERM, terms), call, outputs=10, value=2.3, baseline=2.3)


@pytest.mark.parametrize(
    ("run", "severity"),
    [
        (guessing(2.3), Severity.WARNING),
        (guessing(2.24), Severity.WARNING),
        (guessing(2.15), Severity.INFO),
        (guessing(2.5), Severity.INFO),
        (guessing(1.0), Severity.INFO),
        (guessing(2.3, "mse_loss"), Severity.INFO),
    ],
)
def test_classes_of_a_small_weight_at_guessing_starve(run: Run, severity: Severity) -> None:
    bare = without(run, CALL_BASELINE)
    assert the_finding(RULE, run).severity is severity
    assert the_finding(RULE, bare).severity is Severity.INFO


def of_an_agent(
    samples: float = 512,
    summed: float = 1,
    unit: float = 1.0,
    share: float = 0.999,
    name: str = "policy",
) -> Run:
    """A value loss that makes up so much of the loss, by a call over so many samples; the policy's own varies about nothing."""
    value = 30 * np.geomspace(1, 2, 200)
    policy = value * (1 - share) / share * np.where(np.arange(200) % 2, 1, -1)
    names = ("value_loss", f"{name}_loss")
    run = without(PLAIN, LOSS)
    run = changed(run, LOSS_TERM, np.stack([value, policy], axis=1), names)
    run = changed(run, LOSS_WEIGHT, np.ones((200, 2)), names)
    run = with_call(with_tables(run, [PLAIN[LOSS]]), "mse_loss", samples=samples, summed=summed)
    at = run[CALL_VALUE].steps
    there = unit * run[LOSS_TERM].at(at, ("value_loss",))
    return with_tables(run, [table(CALL_VALUE, at, there, ("mse_loss",))])


def test_an_agents_term_that_is_a_sum_beside_means() -> None:
    finding = the_finding(RULE, of_an_agent())
    assert finding.severity is Severity.WARNING
    assert (
        "a sum over the 512 samples of a batch: as a mean it would make up 66%"
        in finding.message.en
    )


@pytest.mark.parametrize(
    "run",
    [
        of_an_agent(summed=0),
        of_an_agent(unit=0.5),
        of_an_agent(samples=3),
        of_an_agent(share=0.99995),  # as a mean it would still be nearly all
        of_an_agent(name="main"),
        without(of_an_agent(), CALL_VALUE),
    ],
)
def test_a_large_term_that_is_no_sum_is_worth_knowing(run: Run) -> None:
    assert the_finding(RULE, run).severity is Severity.INFO
