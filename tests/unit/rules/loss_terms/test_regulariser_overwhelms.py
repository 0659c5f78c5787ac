from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from helpers.rule_asserts import findings, first_evidence, the_finding
from made.changes import changed, each_step, falling, optimized_by, stuck, with_terms, without
from made.healthy import healthy_run
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.quantities import (
    CALL_BASELINE,
    CALL_VALUE,
    GRADIENT_NORM,
    LOSS,
    LOSS_TERM,
    LOSS_WEIGHT,
    PARAMETER_NORM,
    TERM_GRADIENT_NORM,
    WEIGHT_DECAY,
)
from tb_lossdiag.records import Table
from tb_lossdiag.rules.loss_terms.regulariser_overwhelms import RegulariserOverwhelms
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = RegulariserOverwhelms()
RUN = without(healthy_run(1, optimizer="SGD"), WEIGHT_DECAY)


def overwhelmed(run: Run, ratio: float = 5.0) -> Run:
    """The second term is a penalty whose gradient is `ratio` times that of the first, which is not learned."""
    rng = np.random.default_rng(0)
    n = len(run[LOSS])
    terms = np.stack([2.3 * rng.lognormal(0, 0.05, n), np.geomspace(3, 1, n)], axis=1)
    new = with_terms(run, terms)
    norms = np.tile([1.0, ratio], (len(run[TERM_GRADIENT_NORM]), 1))
    return changed(new, TERM_GRADIENT_NORM, norms)


SICK = overwhelmed(healthy_run(1, optimizer="SGD"))


def named(run: Run, name: str) -> Run:
    for quantity in (LOSS_TERM, LOSS_WEIGHT, TERM_GRADIENT_NORM):
        run = changed(run, quantity, run[quantity].values, ("main", name))
    return run


def decayed(ratio: float, optimizer: str = "SGD") -> Run:
    """A stuck run whose weight decay pulls `ratio` times as hard as the gradient."""
    run = optimized_by(stuck(healthy_run(1)), optimizer)
    run = changed(run, WEIGHT_DECAY, np.full(200, 0.1))
    run = changed(run, PARAMETER_NORM, np.ones_like(run[PARAMETER_NORM].values))
    return changed(run, GRADIENT_NORM, np.full_like(run[GRADIENT_NORM].values, 0.1 / ratio))


def terms_only(run: Run) -> Run:
    return without(run, WEIGHT_DECAY)


def test_fires_on_a_penalty_that_no_batch_moves() -> None:
    finding = the_finding(RULE, terms_only(overwhelmed(RUN)))
    assert finding.subject == "aux"
    assert "5 times as much as `main`" in finding.message.en
    assert "from 0.5 to about 0.03" in finding.advice.en


@pytest.mark.parametrize(("name", "expected"), [("l2 penalty", 1), ("kl", 1), ("second", 0)])
def test_a_noisy_term_is_a_penalty_by_name_only(name: str, expected: int) -> None:
    rng = np.random.default_rng(0)
    run = overwhelmed(RUN)
    noisy = with_terms(run, run[LOSS_TERM].values * rng.lognormal(0, 0.05, (200, 2)))
    assert len(findings(RULE, named(noisy, name))) == expected


def test_a_data_term_at_guessing_is_no_penalty_though_no_batch_moves_it() -> None:
    run = terms_only(overwhelmed(RUN))
    still = 1 + 1e-4 * np.random.default_rng(0).normal(size=200)
    flat = np.stack([still, still * np.linspace(1.0, 0.9, 200)], axis=1)
    assert findings(RULE, named(with_terms(run, flat), "l2"))
    assert not findings(RULE, named(with_terms(run, flat), "second"))


@pytest.mark.parametrize("optimizer", ["SGD", "Adam"])
def test_fires_on_weight_decay_in_the_gradient(optimizer: str) -> None:
    finding = the_finding(RULE, without(decayed(4, optimizer), TERM_GRADIENT_NORM))
    assert "Weight decay pulls 4 times" in finding.message.en
    assert f"With {optimizer}" in finding.advice.en


def _thinned(table: Table, every: int) -> Table:
    kept = slice(None, None, every)
    return replace(
        table, steps=table.steps[kept], walltimes=table.walltimes[kept], values=table.values[kept]
    )


def pulled(records: int, every: int) -> Run:
    """Weight decay pulls four times as hard in so many records at the start, one of so many steps; then half as hard."""
    run = each_step(without(decayed(4), TERM_GRADIENT_NORM, LOSS_TERM))
    run = replace(run, tables={name: _thinned(table, every) for name, table in run.tables.items()})
    late = run[GRADIENT_NORM].values.copy()
    late[records:] *= 8
    return changed(run, GRADIENT_NORM, late)


def test_a_stretch_counts_the_steps_that_its_records_stand_for() -> None:
    """The same training with half the records pulls for as long."""
    assert findings(RULE, pulled(20, 1))
    assert not findings(RULE, pulled(19, 1))
    assert findings(RULE, pulled(10, 2))
    assert not findings(RULE, pulled(9, 2))
    assert findings(RULE, pulled(5, 10))
    assert not findings(RULE, pulled(4, 10)), "few records, however many steps"


def test_fires_when_the_weights_are_gone_and_nothing_is_learned() -> None:
    rng = np.random.default_rng(0)
    shrinks = 0.02 + 3 * np.exp(-0.1 * np.arange(200))
    terms = np.stack([2.3 * rng.lognormal(0, 0.05, 200), shrinks], axis=1)
    run = with_terms(without(overwhelmed(RUN), TERM_GRADIENT_NORM), terms)
    evidence = first_evidence(RULE, run)
    assert (evidence.quantity, evidence.column) == (LOSS_TERM.name, "aux")
    learned = terms * np.stack([np.geomspace(1, 0.8, 200), np.ones(200)], axis=1)
    assert not findings(RULE, with_terms(run, learned))
    left = np.add(terms, [0.0, 0.02])
    assert not findings(RULE, with_terms(run, left))


def test_a_penalty_below_zero_has_not_come_to_nothing() -> None:
    """The entropy bonus of an agent, a log-determinant: from -0.003 to -0.4."""
    rng = np.random.default_rng(0)
    data = 2.3 * rng.lognormal(0, 0.05, 200)
    for start, end in ((-0.003, -0.4), (0.003, -0.4), (-0.4, -0.001)):
        penalty = np.r_[np.full(3, start), np.linspace(start, end, 77), np.full(120, end)]
        run = with_terms(overwhelmed(RUN), np.stack([data, penalty], axis=1))
        assert not findings(RULE, without(named(run, "entropy"), TERM_GRADIENT_NORM))


def test_a_data_term_at_the_cost_of_a_constant_is_not_learned() -> None:
    rng = np.random.default_rng(0)
    shrinks = 0.02 + 3 * np.exp(-0.1 * np.arange(200))
    data = np.r_[np.geomspace(9, 1, 50), np.ones(150)] * rng.lognormal(0, 0.05, 200)
    run = with_terms(
        without(overwhelmed(RUN), TERM_GRADIENT_NORM), np.stack([data, shrinks], axis=1)
    )
    constant = changed(changed(run, CALL_VALUE, 1.02), CALL_BASELINE, 1.0)
    assert "costs no less than a constant" in the_finding(RULE, constant).message.en
    assert not findings(RULE, changed(constant, CALL_VALUE, 0.9))


def given_up(rise: float, weight: float = 1.0, first: float = 1.0) -> Run:
    """The data term is learned in the first half and `rise` times as high by the end; the penalty falls all the time."""
    rng = np.random.default_rng(0)
    steps = np.arange(200)
    data = np.interp(steps, [0, 60, 120, 150, 199], [first, 0.01, 0.01, 0.01 * rise, 0.01 * rise])
    terms = np.stack([data * rng.lognormal(0, 0.05, 200), np.geomspace(20, 1, 200)], axis=1)
    run = with_terms(without(overwhelmed(RUN), TERM_GRADIENT_NORM), terms)
    return changed(run, LOSS_WEIGHT, [[1.0, weight]])


def test_a_data_term_that_is_given_up_again() -> None:
    finding = the_finding(RULE, terms_only(given_up(2.2)))
    assert [piece.column for piece in finding.evidence] == ["main", "aux"]
    assert "given up" in finding.message.en
    assert not findings(RULE, terms_only(given_up(1.8)))
    assert not findings(RULE, terms_only(given_up(2.2, weight=0.01))), "most of the loss is data"


@pytest.mark.parametrize(("first", "told"), [(0.03, True), (0.015, False), (0.01, False)])
def test_a_term_that_was_never_learned_is_not_given_up(first: float, told: bool) -> None:
    said = [f.message.en for f in findings(RULE, terms_only(given_up(4, first=first)))]
    assert any("given up" in each for each in said) is told


def test_decoupled_weight_decay_is_not_this() -> None:
    run = without(decayed(4, "AdamW"), TERM_GRADIENT_NORM)
    assert outcome(RULE, run).verdict is Verdict.NOT_EVALUATED


@pytest.mark.parametrize("seed", range(20))
def test_clear_on_healthy_runs(seed: int) -> None:
    assert not findings(RULE, healthy_run(seed))


def test_clear_just_below_the_ratio() -> None:
    assert not findings(RULE, overwhelmed(RUN, 1.9))
    assert findings(RULE, overwhelmed(RUN, 2.1))
    assert not findings(RULE, decayed(1.9))
    assert findings(RULE, decayed(2.1))


def test_clear_once_the_data_term_is_learned() -> None:
    learned = with_terms(
        overwhelmed(RUN), np.stack([falling(200) * 0.9, np.geomspace(3, 1, 200)], axis=1)
    )
    assert not findings(RULE, learned)


def test_evidence_is_the_penalty_and_its_stretch() -> None:
    run = overwhelmed(RUN)
    norms = run[TERM_GRADIENT_NORM].values.copy()
    norms[:5, 1] = 1
    run = changed(run, TERM_GRADIENT_NORM, norms)
    evidence, steps = first_evidence(RULE, run), run[TERM_GRADIENT_NORM].steps
    assert (evidence.quantity, evidence.column) == (TERM_GRADIENT_NORM.name, "aux")
    assert (evidence.first_step, evidence.last_step) == (steps[5], steps[-1])


def test_not_evaluated_without_decompositions_or_decay() -> None:
    assert (
        outcome(RULE, without(RUN, TERM_GRADIENT_NORM, LOSS_TERM)).verdict is Verdict.NOT_EVALUATED
    )


def burdened(first: float = 0.97, last: float = 0.61, rest: float = 0.5) -> Run:
    """A penalty that is these shares of the loss at both ends, beside a data term that comes down to `rest` of its start and stays."""
    rng = np.random.default_rng(0)
    data = 2.3 * np.maximum(np.linspace(1, -1, 200), rest) * rng.lognormal(0, 0.02, 200)
    share = np.linspace(first, last, 200)
    share[:20], share[-50:] = first, last
    smooth = np.maximum(np.linspace(2.3, -2.3, 200), 2.3 * rest) * share / (1 - share)
    return terms_only(changed(with_terms(RUN, np.stack([data, smooth], axis=1)), LOSS_WEIGHT, 1.0))


def test_a_penalty_that_is_most_of_the_loss_while_the_data_stalls() -> None:
    run = without(named(burdened(), "l2"), TERM_GRADIENT_NORM)
    finding = the_finding(RULE, run)
    assert finding.subject == "l2"
    assert "97% of the loss at the start and 61% over the last quarter" in finding.message.en


def test_a_data_term_that_never_moved_went_nowhere() -> None:
    run = without(named(burdened(), "l2"), TERM_GRADIENT_NORM)
    values = run[LOSS_TERM].values.copy()
    values[:, 1] *= 2.3 / values[:, 0]
    values[:, 0] = 2.3
    message = the_finding(RULE, changed(run, LOSS_TERM, values)).message.en
    assert "while `main` stands still at 2.3" in message
    assert "went from" not in message


@pytest.mark.parametrize(("times", "expected"), [(1.2, 1), (1.3, 0), (2.1, 0)])
def test_an_equation_that_a_net_of_nothing_fulfils_rises_and_is_not_held_back(
    times: float, expected: int
) -> None:
    run = without(named(burdened(), "l2"), TERM_GRADIENT_NORM)
    values = run[LOSS_TERM].values.copy()
    values[:, 1] *= 2.3 / values[:, 0]
    values[:, 0] = 2.3
    values[20:] *= times
    assert len(findings(RULE, changed(run, LOSS_TERM, values))) == expected


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        (burdened(first=0.92), 1),
        (burdened(first=0.88), 0),
        (burdened(last=0.52), 1),
        (burdened(last=0.47), 0),
        (burdened(rest=0.42), 1),
        (burdened(rest=0.38), 0),
    ],
)
def test_both_sides_of_each_share(run: Run, expected: int) -> None:
    assert len(findings(RULE, without(named(run, "l2"), TERM_GRADIENT_NORM))) == expected


def test_a_data_term_that_goes_on_falling_is_being_learned() -> None:
    run = without(named(burdened(), "l2"), TERM_GRADIENT_NORM)
    values = run[LOSS_TERM].values.copy()
    values[:, 0] = np.linspace(2.3, 1.0, 200)
    assert not findings(RULE, changed(run, LOSS_TERM, values))


def test_nothing_is_overwhelmed_where_no_data_term_has_a_gradient() -> None:
    run = terms_only(overwhelmed(RUN))
    norms = np.tile([0.0, 5.0], (len(run[TERM_GRADIENT_NORM]), 1))
    assert not findings(RULE, changed(run, TERM_GRADIENT_NORM, norms))


def test_a_loss_without_a_single_value_says_nothing_of_decay() -> None:
    assert findings(RULE, without(decayed(5.0), TERM_GRADIENT_NORM))
    unknown = changed(without(decayed(5.0), TERM_GRADIENT_NORM), LOSS, np.full(200, np.nan))
    assert not findings(RULE, unknown)
