from __future__ import annotations

import numpy as np
import pytest

from helpers.rule_asserts import findings, first_evidence, the_finding
from made.changes import changed, falling, head, with_terms, without
from made.healthy import healthy_run
from made.loss_calls import with_call
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import LOSS, LOSS_TERM, LOSS_WEIGHT
from tb_lossdiag.records import table
from tb_lossdiag.rules.loss_terms.term_constant import TermConstant
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = TermConstant()
RUN = healthy_run(1)


def with_constant_term(run: Run, value: float = 0.7) -> Run:
    """The second term is the same number throughout."""
    n = len(run[LOSS])
    return with_terms(run, np.stack([falling(n), np.full(n, value)], axis=1))


SICK = with_constant_term(RUN)


def test_fires_on_a_number_that_never_changes() -> None:
    finding = the_finding(RULE, with_constant_term(RUN))
    assert finding.severity is Severity.WARNING
    assert finding.subject == "aux"


def test_a_constant_0_is_worth_knowing() -> None:
    finding = the_finding(RULE, with_constant_term(RUN, 0.0))
    assert finding.severity is Severity.INFO
    assert "empty mask" in finding.advice.en


LOGITS = "binary_cross_entropy_with_logits"


def told_no(name: str = LOGITS, most: float = 0, outputs: int = 48) -> Run:
    """A term that is 0, beside one loss whose targets are all 0."""
    facts = {"target_min": 0, "target_max": most, "outputs": outputs}
    return with_call(with_constant_term(RUN, 0.0), name, **facts)


def test_nothing_is_ever_to_be_found() -> None:
    finding = the_finding(RULE, told_no())
    assert finding.severity is Severity.WARNING
    assert "`aux` came to 0" in finding.message.en
    assert "48 numbers a sample" in finding.message.en
    assert "responsible:" in finding.advice.en


@pytest.mark.parametrize(
    "run", [told_no("mse_loss"), told_no(most=1), told_no(outputs=1), with_constant_term(RUN, 0.0)]
)
def test_what_finds_something_or_asks_otherwise_is_worth_knowing(run: Run) -> None:
    assert the_finding(RULE, run).severity is Severity.INFO


def test_a_constant_that_is_not_0_is_told_as_such_beside_it() -> None:
    run = with_call(with_constant_term(RUN), LOGITS, target_min=0, target_max=0, outputs=48)
    assert "never" not in the_finding(RULE, run).advice.en


@pytest.mark.parametrize("seed", range(20))
def test_clear_on_healthy_runs(seed: int) -> None:
    assert not findings(RULE, healthy_run(seed))


def test_clear_just_above_rounding() -> None:
    for change, expected in ((5e-7, 1), (5e-6, 0)):
        slow = 0.7 * np.linspace(1, 1 + change, 200)
        run = with_terms(RUN, np.stack([falling(200), slow], axis=1))
        assert len(findings(RULE, run)) == expected


def test_clear_when_nothing_changes() -> None:
    assert not findings(RULE, with_terms(RUN, np.full((200, 2), 0.7)))


def test_clear_when_it_changes_within_windows() -> None:
    run = with_constant_term(RUN)
    highest = run[LOSS_TERM].values * 1.01
    most = table(LOSS_TERM.highest(), run[LOSS_TERM].steps, highest, run[LOSS_TERM].columns)
    assert not findings(RULE, Run("w", {**run.tables, most.quantity.name: most}, run.facts))


def test_records_of_weight_0_do_not_count() -> None:
    values = np.stack([falling(200), np.full(200, 0.7)], axis=1)
    values[:100, 1] = 3.0
    run = with_terms(RUN, values)
    assert not findings(RULE, run)
    weights = np.ones((200, 2))
    weights[:100, 1] = 0
    evidence = first_evidence(RULE, changed(run, LOSS_WEIGHT, weights))
    steps = run[LOSS_TERM].steps
    assert (evidence.first_step, evidence.last_step) == (steps[100], steps[-1])


def test_not_evaluated_on_few_or_no_terms() -> None:
    assert outcome(RULE, head(with_constant_term(RUN), 19)).verdict is Verdict.NOT_EVALUATED
    assert outcome(RULE, without(RUN, LOSS_WEIGHT)).missing == (LOSS_WEIGHT.name,)
