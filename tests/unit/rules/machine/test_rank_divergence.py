from __future__ import annotations

import numpy as np
import pytest

from helpers.rule_asserts import findings, first_evidence, the_finding
from made.changes import changed, head, without
from made.healthy import healthy_run
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import RANK_GRADIENT_SPREAD, RANK_PARAMETER_SPREAD, Quantity
from tb_lossdiag.rules.machine.rank_divergence import RankDivergence
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = RankDivergence()
RUN = healthy_run(1)
RECORDS = len(RUN[RANK_PARAMETER_SPREAD])


def apart(quantity: Quantity, spread: float, last: int = RECORDS) -> Run:
    return changed(RUN, quantity, spread * (np.arange(RECORDS) >= RECORDS - last))


SICK = apart(RANK_PARAMETER_SPREAD, 0.01)


def test_fires_when_the_parameters_differ() -> None:
    finding = the_finding(RULE, apart(RANK_PARAMETER_SPREAD, 0.01))
    assert finding.severity is Severity.ERROR
    assert "different models" in finding.message.en


def test_fires_when_only_the_gradients_differ() -> None:
    finding = the_finding(RULE, apart(RANK_GRADIENT_SPREAD, 0.1))
    assert finding.evidence[0].quantity == RANK_GRADIENT_SPREAD.name
    assert "not averaged" in finding.message.en


def test_clear_just_below_spread_and_length() -> None:
    assert not findings(RULE, apart(RANK_PARAMETER_SPREAD, 0.9e-5))
    assert not findings(RULE, apart(RANK_GRADIENT_SPREAD, 0.9e-2))
    assert findings(RULE, apart(RANK_PARAMETER_SPREAD, 0.01, last=3))
    assert not findings(RULE, apart(RANK_PARAMETER_SPREAD, 0.01, last=2))


def test_clear_when_a_synchronisation_removes_it() -> None:
    spread = np.full(RECORDS, 0.01)
    spread[-1] = 0
    assert not findings(RULE, changed(RUN, RANK_PARAMETER_SPREAD, spread))


@pytest.mark.parametrize("seed", range(5))
def test_clear_on_healthy_runs(seed: int) -> None:
    assert not findings(RULE, healthy_run(seed))


def test_evidence_is_the_last_stretch() -> None:
    evidence = first_evidence(RULE, apart(RANK_PARAMETER_SPREAD, 0.01, last=5))
    steps = RUN[RANK_PARAMETER_SPREAD].steps
    assert (evidence.quantity, evidence.column) == (RANK_PARAMETER_SPREAD.name, "")
    assert (evidence.first_step, evidence.last_step) == (steps[-5], steps[-1])


def test_not_evaluated_on_few_or_no_comparisons() -> None:
    assert outcome(RULE, head(RUN, 2)).verdict is Verdict.NOT_EVALUATED
    missing = outcome(RULE, without(RUN, RANK_PARAMETER_SPREAD)).missing
    assert missing == (RANK_PARAMETER_SPREAD.name,)
    assert findings(RULE, without(apart(RANK_PARAMETER_SPREAD, 0.01), RANK_GRADIENT_SPREAD))
