from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from helpers.rule_asserts import findings, findings_if_any, first_evidence, the_finding
from made.check_ups import check_steps, with_tables
from made.healthy import healthy_run
from made.loss_calls import with_call
from made.modules import with_modules
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import (
    ACTIVATION_ABS_MAX,
    ACTIVATION_VARIATION,
    CALL_VARIATION,
    EQUAL_SAMPLES,
    LOSS,
    Kind,
)
from tb_lossdiag.records import table
from tb_lossdiag.rules.model.constant_output import ConstantOutput
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = ConstantOutput()
RUN = healthy_run(1)
AT = check_steps(RUN[LOSS].steps)
CHECKS = np.arange(len(AT))
SICK = with_call(RUN, "mse_loss", variation=1e-7)


def without_calls(run: Run) -> Run:
    tables = {n: t for n, t in run.tables.items() if t.quantity.frame != "call"}
    return replace(run, tables=tables)


def test_fires_on_one_answer_for_all() -> None:
    finding = the_finding(RULE, with_call(RUN, "cross_entropy", variation=0.0))
    assert finding.severity is Severity.ERROR
    assert f"in {len(AT)} check-ups" in finding.message.en


def test_falls_back_on_the_output_module() -> None:
    kinds = {"0": Kind.LINEAR, "1": Kind.RELU, "2": Kind.LINEAR}
    same = with_modules(without_calls(RUN), kinds, activation_variation=[0.5, 0.5, 0.0])
    evidence = first_evidence(RULE, same)
    assert (evidence.quantity, evidence.column) == (ACTIVATION_VARIATION.name, "2")
    hidden = with_modules(without_calls(RUN), kinds, activation_variation=[0.5, 0.0, 0.5])
    assert not findings(RULE, hidden)


@pytest.mark.parametrize(("equal", "fires"), [(1.0, False), (0.98, True)])
def test_one_answer_for_samples_that_are_all_the_same(equal: float, fires: bool) -> None:
    kinds = {"0": Kind.LINEAR, "1": Kind.RELU, "2": Kind.LINEAR}
    same = with_modules(without_calls(RUN), kinds, activation_variation=[0.5, 0.5, 0.0])
    alike = [table(EQUAL_SAMPLES, AT, np.full(len(AT), equal))]
    assert bool(findings_if_any(RULE, with_tables(same, alike))) == fires
    asked = with_tables(SICK, alike)  # for different answers
    assert findings(RULE, asked)


@pytest.mark.parametrize("seed", range(12))
def test_clear_on_healthy_runs(seed: int) -> None:
    assert not findings_if_any(RULE, healthy_run(seed))


def test_clear_just_above_the_variation() -> None:
    assert not findings(RULE, with_call(RUN, "cross_entropy", variation=1.1e-4))
    assert findings(RULE, with_call(RUN, "cross_entropy", variation=0.9e-4))


def test_deep_networks_begin_like_this() -> None:
    """Measured: 16 layers on digits give 2e-5 at the start and 0.7 later."""
    assert not findings(
        RULE, with_call(RUN, "cross_entropy", variation=np.where(CHECKS < 6, 2e-5, 0.7))
    )


def test_targets_that_hardly_vary_need_no_other_answer() -> None:
    calm = with_call(RUN, "mse_loss", variation=5e-5, target_mean=1000.0, target_std=0.1)
    assert not findings(RULE, calm)
    same = with_call(RUN, "mse_loss", variation=5e-7, target_mean=1000.0, target_std=0.1)
    assert findings(RULE, same)


@pytest.mark.parametrize("size", [np.nan, np.inf, 1e20])
def test_the_output_of_a_run_that_broke_says_nothing(size: float) -> None:
    late = np.where(CHECKS < 4, 1.0, size)
    broke = with_call(RUN, "mse_loss", variation=0.0, input_max=late, input_min=-late)
    assert outcome(RULE, broke).verdict is Verdict.NOT_EVALUATED
    kinds = {"0": Kind.LINEAR, "1": Kind.RELU, "2": Kind.LINEAR}
    sizes = np.tile(late[:, None], (1, 3))
    modules = with_modules(
        without_calls(RUN), kinds, activation_variation=0.0, activation_abs_max=sizes
    )
    assert outcome(RULE, modules).verdict is Verdict.NOT_EVALUATED


def test_evidence_is_the_stretch_up_to_the_end() -> None:
    run = with_call(RUN, "cross_entropy", variation=np.where(CHECKS < 4, 0.5, 1e-6))
    evidence = first_evidence(RULE, run)
    assert (evidence.quantity, evidence.column) == (CALL_VARIATION.name, "cross_entropy")
    assert (evidence.first_step, evidence.last_step) == (AT[4], AT[-1])


def test_not_evaluated_on_few_check_ups_or_none() -> None:
    few = with_call(RUN, "cross_entropy", variation=np.where(CHECKS < 4, 0.0, np.nan))
    assert outcome(RULE, few).verdict is Verdict.NOT_EVALUATED
    assert outcome(RULE, Run("r", {LOSS.name: RUN[LOSS]})).verdict is Verdict.NOT_EVALUATED


def test_a_module_whose_size_is_unknown_is_judged_by_its_variation() -> None:
    kinds = {"0": Kind.LINEAR, "1": Kind.RELU, "2": Kind.LINEAR}
    same = with_modules(without_calls(RUN), kinds, activation_variation=[0.5, 0.5, 0.0])
    blind = replace(
        same, tables={n: t for n, t in same.tables.items() if n != ACTIVATION_ABS_MAX.name}
    )
    assert first_evidence(RULE, blind).column == "2"


@pytest.mark.parametrize(
    ("largest", "targets", "fires"), [(0.0, np.nan, False), (1e-9, np.nan, True), (0.0, 1.0, True)]
)
def test_a_loss_of_pairs_that_is_given_nothing_but_zeros(
    largest: float, targets: float, fires: bool
) -> None:
    """DPO with a `beta` of 0: the zeros are made in the loss, behind two models that tell answers apart."""
    facts = {"variation": 0.0, "input_min": 0.0, "input_max": largest, "target_std": targets}
    assert bool(findings_if_any(RULE, with_call(RUN, "mse_loss", **facts))) == fires
