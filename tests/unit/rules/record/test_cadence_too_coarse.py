from __future__ import annotations

from dataclasses import replace

import pytest

from helpers.rule_asserts import findings, first_evidence, the_finding
from made.changes import each_step, head, without
from made.healthy import healthy_run
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import GRADIENT_NORM, LOSS
from tb_lossdiag.rules.record.cadence_too_coarse import CadenceTooCoarse
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = CadenceTooCoarse()


def sparse(records: int, every: int) -> Run:
    run = head(each_step(healthy_run(1)), records)
    return replace(
        run, tables={n: replace(t, steps=t.steps * every) for n, t in run.tables.items()}
    )


SICK = sparse(25, 100)


def test_fires_and_gives_a_cadence() -> None:
    finding = the_finding(RULE, sparse(25, 100))
    assert finding.severity is Severity.INFO
    assert "25 times in 2401 steps" in finding.message.en
    assert "every 40 steps" in finding.advice.en


def test_clear_just_below_records_steps_and_distance() -> None:
    assert findings(RULE, sparse(29, 100))
    assert not findings(RULE, sparse(30, 100))
    assert findings(RULE, sparse(20, 16))
    assert not findings(RULE, sparse(20, 15))
    assert not findings(RULE, sparse(20, 1))


def test_the_quantity_with_the_fewest_records_is_named() -> None:
    run = sparse(100, 10)
    few = head(run, 20)[GRADIENT_NORM]
    mixed = replace(run, tables={**run.tables, GRADIENT_NORM.name: few})
    assert first_evidence(RULE, mixed).quantity == GRADIENT_NORM.name
    assert not findings(RULE, without(mixed, GRADIENT_NORM))


@pytest.mark.parametrize("seed", range(5))
def test_clear_on_healthy_runs(seed: int) -> None:
    assert not findings(RULE, healthy_run(seed))


def test_evidence_is_the_run() -> None:
    evidence = first_evidence(RULE, sparse(25, 100))
    assert (evidence.quantity, evidence.column) == (LOSS.name, "")
    assert (evidence.first_step, evidence.last_step) == (0, 2400)


def test_not_evaluated_without_a_loss() -> None:
    assert outcome(RULE, without(healthy_run(0), LOSS)).missing == (LOSS.name,)
