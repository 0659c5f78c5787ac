from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from helpers.rule_asserts import findings, first_evidence, the_finding
from made.changes import changed, head, scaled, without
from made.check_ups import with_tables
from made.healthy import TERMS, healthy_run
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import LOSS, LOSS_OF_ANOTHER, LOSS_TERM, LOSS_WEIGHT
from tb_lossdiag.records import table
from tb_lossdiag.rules.loss_terms.terms_do_not_sum import TermsDoNotSum
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = TermsDoNotSum()
RUN = healthy_run(1)
VALUES = RUN[LOSS_TERM].values
SICK = changed(RUN, LOSS, VALUES[:, 0])


def test_a_term_that_was_left_out_is_an_error() -> None:
    finding = the_finding(RULE, changed(RUN, LOSS, VALUES[:, 0]))
    assert (finding.severity, finding.subject) == (Severity.ERROR, "aux")
    assert "without `aux`" in finding.message.en


def test_a_weight_that_was_not_applied_is_named() -> None:
    finding = the_finding(RULE, changed(RUN, LOSS, VALUES.sum(axis=1)))
    assert (finding.severity, finding.subject) == (Severity.WARNING, "aux")
    assert "weight 1" in finding.message.en


def test_a_constant_factor_is_worth_knowing() -> None:
    finding = the_finding(RULE, scaled(RUN, LOSS, 0.25))
    assert finding.severity is Severity.INFO
    assert "0.25 times" in finding.message.en


def test_an_unknown_difference_warns() -> None:
    wild = np.random.default_rng(0).uniform(2, 9, 200)
    assert the_finding(RULE, scaled(RUN, LOSS, wild)).severity is Severity.WARNING


def weighed(factor: npt.ArrayLike, beside: npt.ArrayLike = 0.0) -> Run:
    """The first term counts by this factor, and something else is added."""
    parts = VALUES * RUN[LOSS_WEIGHT].values
    own = np.asarray(factor) * parts[:, 0] + np.asarray(beside)
    return changed(RUN, LOSS, own + parts[:, 1])


GROWS = np.linspace(1, 1.4, len(VALUES))


def test_weights_that_are_learned_are_an_information() -> None:
    finding = the_finding(RULE, weighed(GROWS, -np.log(GROWS)))
    assert finding.severity is Severity.INFO
    assert "by weights that change" in finding.message.en


@pytest.mark.parametrize(
    "run",
    [
        weighed(2.0, 100.0),  # constant: applied or reported wrongly
        weighed(GROWS, np.random.default_rng(0).normal(0, 1, len(VALUES))),  # something else, too
        weighed(-GROWS),
        head(weighed(GROWS), 90),
    ],
)
def test_other_sums_are_still_warned_of(run: Run) -> None:
    assert the_finding(RULE, run).severity is Severity.WARNING


@pytest.mark.parametrize("seed", range(10))
def test_clear_on_healthy_runs(seed: int) -> None:
    assert not findings(RULE, healthy_run(seed))


def test_clear_within_bfloat16_rounding() -> None:
    bits = VALUES.view(np.uint32) & np.uint32(0xFFFF0000)
    assert not findings(RULE, changed(RUN, LOSS_TERM, bits.view(np.float32)))


def test_a_small_weight_that_was_not_applied_shows_in_its_exactness() -> None:
    """The difference is half of what bfloat16 may make of a sum, but another sum is right to the last digit."""
    small = changed(RUN, LOSS_TERM, VALUES * np.array([1, 0.01], np.float32), TERMS)
    halved = changed(small, LOSS_WEIGHT, np.full_like(VALUES, 1) * [1, 0.5], TERMS)
    terms = halved[LOSS_TERM].values
    finding = the_finding(RULE, changed(halved, LOSS, terms.sum(axis=1)))
    assert (finding.severity, finding.subject) == (Severity.WARNING, "aux")
    assert "weight 1" in finding.message.en
    right = terms[:, 0] + 0.5 * terms[:, 1]
    assert not findings(RULE, changed(halved, LOSS, right))
    rounded = (terms.sum(axis=1).view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)
    assert not findings(RULE, changed(halved, LOSS, rounded))


def test_clear_just_below_tolerance_and_share() -> None:
    assert not findings(RULE, scaled(RUN, LOSS, 1.009))
    assert findings(RULE, scaled(RUN, LOSS, 1.02))
    half = np.where(np.arange(200) < 100, 2.0, 1.0)
    assert not findings(RULE, scaled(RUN, LOSS, half))


def test_a_weight_that_changes_within_a_window_is_not_judged() -> None:
    steps, annealed = RUN[LOSS].steps, np.ones((200, 2))
    annealed[:100, 1] = np.linspace(0, 1, 100)
    mean = annealed.copy()  # of each window's steps: half a record behind its last weight
    mean[1:100, 1] -= 0.5 / 99
    flat = np.tile([0.1, 9.0], (200, 1))
    run = changed(changed(RUN, LOSS_TERM, flat), LOSS_WEIGHT, annealed)
    run = changed(run, LOSS, (flat * mean).sum(axis=1))
    assert findings(TermsDoNotSum(min_share=0.3, tolerance=0.005), run)
    parts = [
        table(LOSS_TERM.highest(), steps, flat * 1.1, TERMS),
        table(LOSS_TERM.lowest(), steps, flat * 0.9, TERMS),
    ]
    windowed = Run("w", {**run.tables, **{p.quantity.name: p for p in parts}}, run.facts)
    assert not findings(TermsDoNotSum(min_share=0.3, tolerance=0.005), windowed)


@pytest.mark.parametrize(("mixed", "judged"), [(200, False), (196, False), (195, True)])
def test_terms_of_a_loss_that_another_one_replaced_are_not_judged(mixed: int, judged: bool) -> None:
    steps = RUN[LOSS].steps[:mixed]
    found = outcome(RULE, with_tables(SICK, [table(LOSS_OF_ANOTHER, steps, np.ones(mixed))]))
    assert (found.verdict is Verdict.FINDINGS) == judged
    assert (found.verdict is Verdict.NOT_EVALUATED) != judged


def test_a_record_of_many_steps_is_left_out_for_one_of_them() -> None:
    between = table(LOSS_OF_ANOTHER, RUN[LOSS].steps[1:199] - 1, np.ones(198))
    assert outcome(RULE, with_tables(SICK, [between])).verdict is Verdict.NOT_EVALUATED


def test_evidence_is_the_total_and_its_window() -> None:
    factor = np.where(np.arange(200) < 50, 1.0, 2.0)
    evidence = first_evidence(RULE, scaled(RUN, LOSS, factor))
    steps = RUN[LOSS].steps
    assert (evidence.quantity, evidence.column) == (LOSS.name, "")
    assert (evidence.first_step, evidence.last_step) == (steps[50], steps[-1])


def test_advice_uses_the_terms_of_the_run() -> None:
    renamed = changed(RUN, LOSS_TERM, VALUES, (TERMS[0], TERMS[1]))
    advice = the_finding(RULE, changed(renamed, LOSS, VALUES[:, 0])).advice
    assert '("aux", (aux, 0.5))' in advice.en
    assert '("aux", (aux, 0.5))' in advice.in_language("zh")


def test_not_evaluated_on_few_or_no_terms() -> None:
    assert outcome(RULE, head(RUN, 4)).verdict is Verdict.NOT_EVALUATED
    assert outcome(RULE, without(RUN, LOSS)).missing == (LOSS.name,)
