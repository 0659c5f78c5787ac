from __future__ import annotations

import numpy as np
import pytest

from helpers.rule_asserts import findings, first_evidence, the_finding
from made.changes import changed, head, without
from made.healthy import healthy_run
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.quantities import AMP_SCALE, GRADIENT_ABS_MAX, GRADIENT_ZERO_SHARE
from tb_lossdiag.records import Floats
from tb_lossdiag.rules.machine.gradient_underflow import GradientUnderflow
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = GradientUnderflow()
RUN = without(healthy_run(1, layers=4), AMP_SCALE)
SHAPE = RUN[GRADIENT_ABS_MAX].values.shape
COLUMNS = RUN[GRADIENT_ABS_MAX].columns
LOW = np.random.default_rng(0).uniform(1e-6, 5e-5, SHAPE).astype(np.float32)


def underflowing(values: Floats, zeros: float = 0.6, layers: int = 1) -> Run:
    """The gradients of the first layers are these numbers."""
    first = np.isin(COLUMNS, [f"body.{layer}.weight" for layer in range(layers)])
    run = changed(RUN, GRADIENT_ABS_MAX, np.where(first, values, 1e-2))
    return changed(run, GRADIENT_ZERO_SHARE, np.where(first, zeros, 0.1)[None])


def float16(values: Floats) -> Floats:
    return values.astype(np.float16).astype(np.float32)


SICK = underflowing(float16(LOW))


def bfloat16(values: Floats) -> Floats:
    return (values.view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)


def test_fires_on_float16_numbers_at_the_lower_end() -> None:
    finding = the_finding(RULE, underflowing(float16(LOW)))
    assert "1 of 4 weight matrices" in finding.message.en
    assert "60%" in finding.message.en


def test_fires_where_everything_before_the_last_layer_is_lost() -> None:
    last = np.isin(COLUMNS, ["body.3.weight"])
    run = changed(RUN, GRADIENT_ABS_MAX, np.where(last, float16(LOW), 0.0))
    run = changed(run, GRADIENT_ZERO_SHARE, np.where(last, 0.02, 1.0)[None])
    finding = the_finding(RULE, run)
    assert "3 of 4 weight matrices" in finding.message.en
    assert "100%" in finding.message.en
    full = changed(run, GRADIENT_ABS_MAX, np.where(last, LOW, 0.0))
    assert not findings(RULE, full)


def test_clear_on_other_precisions() -> None:
    assert not findings(RULE, underflowing(LOW))
    assert not findings(RULE, underflowing(bfloat16(LOW)))
    coarse = bfloat16(LOW) + np.float32(2**-15)
    assert not findings(RULE, underflowing(bfloat16(coarse)))


def test_clear_just_below_the_zeros_and_above_the_subnormals() -> None:
    assert not findings(RULE, underflowing(float16(LOW), 0.49))
    assert not findings(RULE, underflowing(float16(LOW * 100)))


def test_clear_when_too_few_matrices_are_low() -> None:
    eight = without(healthy_run(1, layers=8), AMP_SCALE)
    first = np.isin(eight[GRADIENT_ABS_MAX].columns, ["body.0.weight"])
    low = float16(np.resize(LOW, eight[GRADIENT_ABS_MAX].values.shape))
    run = changed(eight, GRADIENT_ABS_MAX, np.where(first, low, 1e-2))
    assert not findings(RULE, changed(run, GRADIENT_ZERO_SHARE, 0.6))


def test_clear_with_a_scaler() -> None:
    with_scaler = {**underflowing(float16(LOW)).tables, AMP_SCALE.name: healthy_run(1)[AMP_SCALE]}
    assert not findings(RULE, Run("r", with_scaler))
    assert findings(RULE, changed(Run("r", with_scaler), AMP_SCALE, 1.0))


@pytest.mark.parametrize("seed", range(10))
def test_clear_on_healthy_runs(seed: int) -> None:
    assert not findings(RULE, without(healthy_run(seed), AMP_SCALE))


def test_evidence_is_the_first_matrix() -> None:
    evidence, steps = first_evidence(RULE, underflowing(float16(LOW))), RUN[GRADIENT_ABS_MAX].steps
    assert (evidence.quantity, evidence.column) == (GRADIENT_ZERO_SHARE.name, "body.0.weight")
    assert (evidence.first_step, evidence.last_step) == (steps[0], steps[-1])


def test_not_evaluated_on_few_or_no_records() -> None:
    assert outcome(RULE, head(RUN, 2)).verdict is Verdict.NOT_EVALUATED
    missing = outcome(RULE, without(RUN, GRADIENT_ABS_MAX)).missing
    assert missing == (GRADIENT_ABS_MAX.name,)
