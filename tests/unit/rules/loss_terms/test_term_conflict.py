from __future__ import annotations

import numpy as np
import pytest

from helpers.rule_asserts import alarms, findings, first_evidence, the_finding
from made.changes import changed, falling, head, stuck, with_loss, without
from made.healthy import healthy_run
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import LOSS, TERM_COSINE, TERM_GRADIENT_NORM
from tb_lossdiag.rules.loss_terms.term_conflict import TermConflict
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = TermConflict()
RUN = healthy_run(1)


def opposed(run: Run, cosine: float = -0.8) -> Run:
    """The gradients of both terms oppose each other while the loss stands still."""
    new = changed(stuck(run), TERM_COSINE, np.full(len(run[TERM_COSINE]), cosine))
    return changed(new, TERM_GRADIENT_NORM, np.ones((len(run[TERM_GRADIENT_NORM]), 2)))


SICK = opposed(RUN)


def test_a_standstill_is_a_warning() -> None:
    finding = the_finding(RULE, opposed(RUN))
    assert finding.severity is Severity.WARNING
    assert finding.subject == "main × aux"
    assert "stands still" in finding.message.en


def test_the_balance_of_a_learned_loss_is_worth_knowing() -> None:
    assert the_finding(RULE, with_loss(opposed(RUN), falling(200))).severity is Severity.INFO
    assert the_finding(RULE, without(opposed(RUN), LOSS)).severity is Severity.INFO


@pytest.mark.parametrize("seed", range(20))
def test_no_alarm_on_healthy_runs(seed: int) -> None:
    assert not alarms(RULE, healthy_run(seed))


def test_clear_just_above_the_cosine() -> None:
    assert not findings(RULE, opposed(RUN, -0.29))
    assert findings(RULE, opposed(RUN, -0.31))


def test_single_batches_that_agree_break_no_conflict() -> None:
    """Measured in a public report: -0.6 on the whole, with every fifth batch at -0.2."""
    cosine = np.where(np.arange(len(RUN[TERM_COSINE])) % 5 == 2, -0.2, -0.6)
    assert "median cosine -0.60" in the_finding(RULE, changed(SICK, TERM_COSINE, cosine)).message.en
    often = np.where(np.arange(len(cosine)) % 5 < 3, -0.2, -0.6)
    assert not findings(RULE, changed(SICK, TERM_COSINE, often))


@pytest.mark.parametrize(
    ("one", "two", "severity"),
    [
        (3.0, 3.0, Severity.WARNING),
        (3.6, 1.0, Severity.INFO),
        (2.2, 2.2, Severity.INFO),
        (2.9, 2.9, Severity.WARNING),
    ],
)
def test_both_pull_ever_harder(one: float, two: float, severity: Severity) -> None:
    """The loss falls slowly, so it does not stand still; the first and last quarter of a growth by 2.7 are a factor of 2 apart."""
    n = len(RUN[TERM_COSINE])
    sizes = np.stack([np.geomspace(1, one, n), np.geomspace(1, two, n)], axis=1)
    slow = with_loss(SICK, np.linspace(1.0, 0.6, len(RUN[LOSS])))
    grown = changed(slow, TERM_GRADIENT_NORM, sizes)
    assert the_finding(RULE, grown).severity is severity
    learned = with_loss(grown, falling(200))
    assert the_finding(RULE, learned).severity is Severity.INFO


def test_clear_when_one_is_much_larger() -> None:
    for size, expected in ((4.9, 1), (5.1, 0)):
        run = changed(
            opposed(RUN), TERM_GRADIENT_NORM, np.tile([1.0, size], (len(RUN[TERM_COSINE]), 1))
        )
        assert len(findings(RULE, run)) == expected


def test_clear_on_a_brief_conflict() -> None:
    cosine = np.full(len(RUN[TERM_COSINE]), 0.2)
    cosine[:14] = -0.8
    assert not findings(RULE, changed(opposed(RUN), TERM_COSINE, cosine))
    cosine[14] = -0.8
    assert findings(RULE, changed(opposed(RUN), TERM_COSINE, cosine))


def test_evidence_is_the_pair_and_its_stretch() -> None:
    cosine = np.full(len(RUN[TERM_COSINE]), -0.8)
    cosine[:4] = 0.5
    run = changed(opposed(RUN), TERM_COSINE, cosine)
    evidence, steps = first_evidence(RULE, run), run[TERM_COSINE].steps
    assert (evidence.quantity, evidence.column) == (TERM_COSINE.name, "main × aux")
    assert (evidence.first_step, evidence.last_step) == (steps[4], steps[-1])


def test_a_loss_that_rises_stands_still_too() -> None:
    rising = with_loss(opposed(RUN), np.linspace(1.0, 1.5, len(RUN[LOSS])))
    assert the_finding(RULE, rising).severity is Severity.WARNING


def test_not_evaluated_on_few_or_no_decompositions() -> None:
    assert outcome(RULE, head(opposed(RUN), 4)).verdict is Verdict.NOT_EVALUATED
    assert outcome(RULE, without(RUN, TERM_COSINE)).missing == (TERM_COSINE.name,)
