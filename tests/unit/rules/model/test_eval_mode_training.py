from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from helpers.rule_asserts import findings, findings_if_any, first_evidence, the_finding
from made.changes import without
from made.check_ups import check_steps, with_check_up
from made.healthy import healthy_run
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import (
    ASLEEP_DROPOUTS,
    ASLEEP_MODULES,
    ASLEEP_PARTS,
    EVAL_MODULES,
    LOSS,
    MODE_MODULES,
    ROOT_TRAINING,
)
from tb_lossdiag.rules.model.eval_mode_training import EvalModeTraining
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = EvalModeTraining()
RUN = healthy_run(1)
AT = check_steps(RUN[LOSS].steps)
CHECKS = np.arange(len(AT))


def modes(off: npt.ArrayLike, root: npt.ArrayLike, modules: float = 4) -> Run:
    run = with_check_up(with_check_up(RUN, MODE_MODULES, modules), EVAL_MODULES, off)
    return with_check_up(run, ROOT_TRAINING, root)


SICK = modes(4.0, 0.0)


def test_fires_on_a_model_that_never_left_eval() -> None:
    assert "4 dropout and normalisation modules" in the_finding(RULE, modes(4, 0)).message.en


def test_fires_after_a_validation_that_left_it_in_eval() -> None:
    late = CHECKS >= 5
    evidence = first_evidence(RULE, modes(np.where(late, 4, 0), ~late))
    assert (evidence.quantity, evidence.column) == (EVAL_MODULES.name, "")
    assert (evidence.first_step, evidence.last_step) == (AT[5], AT[-1])


@pytest.mark.parametrize("seed", range(12))
def test_clear_on_healthy_runs(seed: int) -> None:
    assert not findings_if_any(RULE, healthy_run(seed))


def test_frozen_normalisation_in_a_model_in_train_is_declared() -> None:
    assert not findings(RULE, modes(4, 1))
    assert not findings(RULE, modes(3, 0))


def test_a_mode_without_effect_is_not_this() -> None:
    assert not findings(RULE, modes(0, 0, modules=0))


def test_one_check_up_or_one_long_past_is_not_this() -> None:
    assert not findings(RULE, modes(np.where(len(AT) - 1 == CHECKS, 4, 0), len(AT) - 1 > CHECKS))
    assert not findings(RULE, modes(np.where(CHECKS < 5, 4, 0), CHECKS >= 5))


def part_asleep(modules: npt.ArrayLike, dropouts: npt.ArrayLike, root: float = 1) -> Run:
    run = with_check_up(modes(modules, root), ASLEEP_MODULES, modules)
    run = with_check_up(run, ASLEEP_DROPOUTS, dropouts)
    return replace(run, facts={**run.facts, ASLEEP_PARTS: "trunk; neck"})


def test_a_part_with_dropout_that_is_trained_in_eval_is_named() -> None:
    finding = the_finding(RULE, part_asleep(3, 1))
    assert finding.severity is Severity.WARNING
    assert "`trunk, neck`" in finding.message.en
    assert "3 dropout and normalisation modules" in finding.message.en
    assert first_evidence(RULE, part_asleep(3, 1)).quantity == ASLEEP_MODULES.name


def test_a_model_in_eval_but_for_a_part_is_named() -> None:
    finding = the_finding(RULE, part_asleep(3, 1, root=0))
    assert finding.severity is Severity.WARNING
    assert "in eval() while it was trained, all but a part of it" in finding.message.en
    assert "3 dropout and normalisation modules" in finding.message.en


def test_a_model_in_eval_as_a_whole_is_said_once() -> None:
    assert first_evidence(RULE, part_asleep(4, 1, root=0)).quantity == EVAL_MODULES.name


def test_a_part_of_normalisation_may_keep_its_statistics_on_purpose() -> None:
    assert the_finding(RULE, part_asleep(3, 0)).severity is Severity.INFO


def test_a_part_that_was_asleep_once_or_long_ago_is_not_this() -> None:
    last = np.where(len(AT) - 1 == CHECKS, 3, 0)
    early = np.where(CHECKS < 5, 3, 0)
    assert not findings(RULE, part_asleep(last, last))
    assert not findings(RULE, part_asleep(early, early))


def test_not_evaluated_when_the_forward_pass_was_not_seen() -> None:
    unseen = np.where(CHECKS < 1, 0.0, np.nan)
    assert outcome(RULE, modes(4, unseen)).verdict is Verdict.NOT_EVALUATED
    assert outcome(RULE, without(RUN, ROOT_TRAINING)).missing == (ROOT_TRAINING.name,)
