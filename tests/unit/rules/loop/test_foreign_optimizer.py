from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from helpers.rule_asserts import findings, first_evidence, the_finding
from made.changes import changed, without
from made.healthy import healthy_run
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import (
    FOREIGN_PARAMETERS,
    GRADIENT_NORM,
    HELD_PARAMETERS,
    PARAMETER_HELD,
    PARAMETER_NORM,
    PARAMETER_TRAINABLE,
)
from tb_lossdiag.records import table
from tb_lossdiag.rules.loop.foreign_optimizer import ForeignOptimizer
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = ForeignOptimizer()
RUN = healthy_run(1, layers=4)
COLUMNS = RUN[GRADIENT_NORM].columns
HEAD = np.array([name.startswith("body.3") for name in COLUMNS])


def foreign(count: float, *, unheld: bool = True) -> Run:
    """Of 8 tensors in the optimizer, `count` are another model's; the head is held by nobody and stands still."""
    run = changed(changed(RUN, FOREIGN_PARAMETERS, count), HELD_PARAMETERS, 8.0)
    if not unheld:
        return changed(run, PARAMETER_NORM, run[PARAMETER_NORM].values[:1])
    norms = np.where(HEAD, run[PARAMETER_NORM].values[:1], run[PARAMETER_NORM].values)
    return changed(changed(run, PARAMETER_NORM, norms), PARAMETER_HELD, (~HEAD)[None])


SICK = foreign(4.0)


def test_fires_when_all_tensors_are_foreign() -> None:
    finding = the_finding(RULE, foreign(8, unheld=False))
    assert finding.severity is Severity.ERROR
    assert "None of the 8" in finding.message.en


def test_fires_when_a_replaced_module_is_held_by_nobody() -> None:
    finding = the_finding(RULE, foreign(2))
    assert "2 of the 8" in finding.message.en
    assert "`body.3.*`" in finding.message.en


def test_fires_when_a_trained_module_is_replaced_in_the_middle() -> None:
    steps = RUN[GRADIENT_NORM].steps[[0, 60]]
    flags = np.stack([np.ones(len(COLUMNS)), ~HEAD])
    norms = RUN[PARAMETER_NORM]
    late = HEAD & (norms.steps >= steps[1])[:, None]
    standing = np.where(late, norms.values[-1:], norms.values)
    tables = (
        table(FOREIGN_PARAMETERS, steps, [0, 2]),
        table(HELD_PARAMETERS, steps, [8, 8]),
        table(PARAMETER_HELD, steps, flags, COLUMNS),
        table(PARAMETER_NORM, norms.steps, standing, COLUMNS),
    )
    run = replace(RUN, tables={**RUN.tables, **{t.quantity.name: t for t in tables}})
    evidence = first_evidence(RULE, run)
    assert (evidence.first_step, evidence.last_step) == (steps[1], steps[1])


def test_clear_when_the_optimizer_also_holds_other_models() -> None:
    assert not findings(RULE, foreign(4, unheld=False))
    assert not findings(RULE, foreign(0))


def test_clear_when_another_optimizer_moves_the_rest() -> None:
    assert not findings(RULE, changed(foreign(2), PARAMETER_NORM, RUN[PARAMETER_NORM].values))


def test_clear_when_master_copies_are_written_back() -> None:
    moving = changed(foreign(8, unheld=False), PARAMETER_NORM, RUN[PARAMETER_NORM].values)
    assert not findings(RULE, moving)


def test_clear_when_the_model_is_frozen_on_purpose() -> None:
    assert not findings(RULE, changed(foreign(8), PARAMETER_TRAINABLE, 0.0))


@pytest.mark.parametrize("seed", range(5))
def test_clear_on_healthy_runs(seed: int) -> None:
    assert not findings(RULE, healthy_run(seed))


def test_only_the_newest_record_counts_and_gives_the_window() -> None:
    run = foreign(8, unheld=False)
    steps = RUN[GRADIENT_NORM].steps[[0, 50, 60]]
    later = {
        FOREIGN_PARAMETERS.name: table(FOREIGN_PARAMETERS, steps, [0, 8, 8]),
        HELD_PARAMETERS.name: table(HELD_PARAMETERS, steps, [8, 8, 8]),
    }
    evidence = first_evidence(RULE, replace(run, tables={**run.tables, **later}))
    assert (evidence.quantity, evidence.column) == (FOREIGN_PARAMETERS.name, "")
    assert (evidence.first_step, evidence.last_step) == (steps[1], steps[2])


def test_not_evaluated_without_the_counts() -> None:
    missing = outcome(RULE, without(RUN, FOREIGN_PARAMETERS)).missing
    assert missing == (FOREIGN_PARAMETERS.name,)
