from __future__ import annotations

from dataclasses import replace

import pytest
from asking import findings, first_evidence, outcome, the_finding
from synthetic import healthy_run, without

from tb_lossdiag.quantities import OTHER_WRITERS
from tb_lossdiag.records import Run, table
from tb_lossdiag.rules.record_gap import RecordGap

RULE = RecordGap()


def sessions(*others: int) -> Run:
    run = healthy_run(0)
    opened = table(OTHER_WRITERS, [100 * i for i in range(len(others))], others)
    return replace(run, tables={**run.tables, OTHER_WRITERS.name: opened})


@pytest.mark.parametrize("others", [(1,), (0, 2), (3, 0)])
def test_fires_when_any_session_was_not_alone(others: tuple[int, ...]) -> None:
    finding = the_finding(RULE, sessions(*others))
    assert finding.numbers["writers"] == max(others)
    assert "one folder per run" in finding.advice.en.lower()


@pytest.mark.parametrize("others", [(0,), (0, 0)])
def test_clear_when_alone(others: tuple[int, ...]) -> None:
    assert not findings(RULE, sessions(*others))


@pytest.mark.parametrize("seed", range(3))
def test_clear_on_healthy_runs(seed: int) -> None:
    assert not findings(RULE, healthy_run(seed))


def test_evidence_is_the_session() -> None:
    evidence = first_evidence(RULE, sessions(0, 1, 0))
    assert (evidence.quantity, evidence.column) == (OTHER_WRITERS.name, "")
    assert (evidence.first_step, evidence.last_step) == (100, 100)


def test_not_evaluated_without_the_count() -> None:
    missing = outcome(RULE, without(healthy_run(0), OTHER_WRITERS)).missing
    assert missing == (OTHER_WRITERS.name,)
