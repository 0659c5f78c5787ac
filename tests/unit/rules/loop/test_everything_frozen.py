from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from helpers.rule_asserts import findings, first_evidence, the_finding
from made.changes import changed, without
from made.healthy import healthy_run
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import (
    FOREIGN_PARAMETERS,
    HELD_PARAMETERS,
    PARAMETER_HELD,
    PARAMETER_SIZE,
    PARAMETER_TRAINABLE,
)
from tb_lossdiag.records import table
from tb_lossdiag.rules.loop.everything_frozen import EverythingFrozen
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = EverythingFrozen()
RUN = healthy_run(1, layers=4)
COLUMNS = RUN[PARAMETER_TRAINABLE].columns
LAST = np.array([name == "body.3.bias" for name in COLUMNS])


def trainable(flags: object) -> Run:
    return changed(RUN, PARAMETER_TRAINABLE, np.asarray(flags, float).reshape(1, -1))


SICK = trainable(0 * LAST)


def test_fires_when_nothing_is_trainable() -> None:
    finding = the_finding(RULE, trainable(np.zeros(8)))
    assert finding.severity is Severity.ERROR
    assert "None of the 8" in finding.message.en
    assert "since" not in finding.message.en


def test_says_since_when() -> None:
    later = table(PARAMETER_TRAINABLE, [0, 50], [np.ones(8), np.zeros(8)], COLUMNS)
    run = replace(RUN, tables={**RUN.tables, PARAMETER_TRAINABLE.name: later})
    assert "since step 50" in the_finding(RULE, run).message.en


def test_fires_when_the_optimizer_holds_frozen_parameters_only() -> None:
    run = changed(trainable(LAST), PARAMETER_HELD, (~LAST)[None])
    finding = the_finding(RULE, run)
    assert finding.severity is Severity.ERROR
    assert "None of the 7" in finding.message.en
    assert "`body.3.bias`" in finding.message.en
    assert not findings(RULE, changed(run, PARAMETER_HELD, np.nan))


def test_next_to_nothing_is_an_information() -> None:
    sizes = np.where(LAST, 1.0, 1e6)[None]
    run = changed(trainable(LAST), PARAMETER_SIZE, sizes)
    assert the_finding(RULE, run).severity is Severity.INFO
    assert not findings(RULE, changed(run, PARAMETER_SIZE, np.where(LAST, 10.0, 1e6)[None]))


def test_only_an_information_when_something_else_is_optimised() -> None:
    run = changed(changed(trainable(np.zeros(8)), FOREIGN_PARAMETERS, 1.0), HELD_PARAMETERS, 1.0)
    assert the_finding(RULE, run).severity is Severity.INFO


@pytest.mark.parametrize("seed", range(5))
def test_clear_on_healthy_runs(seed: int) -> None:
    assert not findings(RULE, healthy_run(seed))


def test_evidence_is_the_newest_record() -> None:
    evidence = first_evidence(RULE, trainable(np.zeros(8)))
    assert (evidence.quantity, evidence.column) == (PARAMETER_TRAINABLE.name, "body.0.weight")


def test_not_evaluated_on_nothing() -> None:
    assert outcome(RULE, trainable(np.full(8, np.nan))).verdict is Verdict.NOT_EVALUATED
    missing = outcome(RULE, without(RUN, PARAMETER_TRAINABLE)).missing
    assert missing == (PARAMETER_TRAINABLE.name,)
