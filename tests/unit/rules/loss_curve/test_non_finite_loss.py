from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from helpers.rule_asserts import findings, first_evidence, the_finding
from made.changes import changed, with_broken_gradients, with_loss, without
from made.check_ups import check_up_records
from made.healthy import healthy_run
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import (
    ACTIVATION_NONFINITE,
    GRADIENT_NONFINITE,
    LOSS,
    LOSS_NONFINITE,
    LOSS_TERM,
    LOSS_TERM_NONFINITE,
    PARAMETER_NORM,
    STEPS,
)
from tb_lossdiag.quantities.batches import BROKEN_BATCHES, packed
from tb_lossdiag.records import table
from tb_lossdiag.rules.loss_curve.non_finite_loss import NonFiniteLoss
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = NonFiniteLoss()


def sick(value: float, records: slice) -> Run:
    run = healthy_run(1)
    values = run[LOSS].values[:, 0].copy()
    values[records] = value
    return with_loss(run, values)


SICK = sick(np.nan, slice(100, None))


@pytest.mark.parametrize(("value", "word"), [(np.nan, "NaN"), (np.inf, "Inf")])
def test_fires_on_a_loss_that_ends_so(value: float, word: str) -> None:
    finding = the_finding(RULE, sick(value, slice(150, None)))
    assert finding.severity is Severity.ERROR
    assert word in finding.message.en
    assert word in finding.message.in_language("zh")


@pytest.mark.parametrize("seed", range(5))
def test_clear_on_healthy_runs(seed: int) -> None:
    assert not findings(RULE, healthy_run(seed))


def test_a_loss_that_was_not_recorded_is_no_nan() -> None:
    run = healthy_run(0)
    values = run[LOSS].values.copy()
    values[10:20] = np.nan
    assert not findings(RULE, changed(run, LOSS, values))


def test_a_single_one_that_is_survived_warns() -> None:
    assert the_finding(RULE, sick(np.nan, slice(50, 51))).severity is Severity.WARNING


def test_evidence_is_the_total_and_its_window() -> None:
    run = sick(np.nan, slice(150, None))
    evidence = first_evidence(RULE, run)
    steps = run[LOSS].steps
    assert (evidence.quantity, evidence.column) == (LOSS.name, "")
    assert (evidence.first_step, evidence.last_step) == (steps[150], steps[-1])


def test_names_the_term_that_broke_with_the_total() -> None:
    run = healthy_run(2)
    total, terms = run[LOSS].values.copy(), run[LOSS_TERM].values.copy()
    total[100:], terms[100:, 1] = np.nan, np.nan
    run = changed(changed(run, LOSS_TERM, terms), LOSS_TERM_NONFINITE, np.isnan(terms))
    flagged = changed(with_loss(healthy_run(2), total[:, 0]), LOSS, total)
    both = {**run.tables, **{n: flagged.tables[n] for n in ("loss", "loss_nonfinite")}}
    finding = the_finding(RULE, Run("r", both))
    assert finding.subject == "aux"
    assert "`aux`" in finding.message.en


def test_says_what_was_broken_before() -> None:
    run = sick(np.nan, slice(150, None))
    assert "arose in the forward pass" in the_finding(RULE, run).message.en
    earlier = the_finding(RULE, with_broken_gradients(run, 149, slice(1, 3))).message.en
    assert "the gradient of `body.1.weight` was not finite" in earlier
    norms = run[PARAMETER_NORM].values.copy()
    norms[120:, 1] = np.nan
    assert (
        "the parameter `body.0.bias` was not after step 120: the step itself broke it"
        in the_finding(RULE, changed(run, PARAMETER_NORM, norms)).message.en
    )
    norms[:150] = run[PARAMETER_NORM].values[:150]
    norms[150:, 1] = np.nan
    after = the_finding(RULE, changed(run, PARAMETER_NORM, norms)).message.en
    assert "arose in the forward pass" in after, (
        "norms are those after the step, which the loss broke"
    )
    rows = np.array(check_up_records(200))
    active = np.zeros((len(rows), 2))
    active[rows >= 147, 0] = 1
    broke = the_finding(RULE, changed(run, ACTIVATION_NONFINITE, active)).message.en
    assert "that of `body.0`" in broke
    unknown = the_finding(RULE, without(run, GRADIENT_NONFINITE)).message.en
    assert "not recorded" in unknown


def test_the_nan_of_the_same_step_is_no_cause() -> None:
    run = with_broken_gradients(sick(np.nan, slice(150, None)), 150)
    assert "arose in the forward pass" in the_finding(RULE, run).message.en


def test_counts_steps_within_windows_and_gives_the_exact_one() -> None:
    run = sick(1.0, slice(0, 0))
    steps, flags = run[LOSS].steps * 8, np.zeros(200)
    flags[100] = 2.0
    lag = np.where(flags > 0, 5.0, 0.0)
    tables = {
        LOSS.name: table(LOSS, steps, np.ones(200)),
        LOSS_NONFINITE.name: table(LOSS_NONFINITE, steps, flags),
        LOSS_NONFINITE.highest_lag().name: table(LOSS_NONFINITE.highest_lag(), steps, lag),
        STEPS.name: table(STEPS, steps, np.full(200, 8.0)),
    }
    finding = the_finding(RULE, Run("windows", tables))
    assert finding.first_step == steps[100] - 5
    assert finding.severity is Severity.WARNING
    assert "not finite in 2 steps, in 1 of 200 records" in finding.message.en


def test_not_evaluated_without_a_loss() -> None:
    result = outcome(RULE, without(healthy_run(0), LOSS))
    assert result.verdict is Verdict.NOT_EVALUATED
    assert result.missing == (LOSS.name,)


def broken_by_the_step(**facts: str) -> Run:
    """Finite gradients, and a parameter that is not finite before the loss."""
    run = sick(np.nan, slice(150, None))
    norms = run[PARAMETER_NORM].values.copy()
    norms[120:, 1] = np.nan
    return replace(changed(run, PARAMETER_NORM, norms), facts={**run.facts, **facts})


def test_half_precision_weights_are_named_with_their_epsilon() -> None:
    zero = the_finding(RULE, broken_by_the_step(weights="float16", epsilon="1e-08"))
    assert "epsilon of 1e-08 is 0" in zero.message.en
    assert "GradScaler" in zero.advice.en
    above = the_finding(RULE, broken_by_the_step(weights="float16", epsilon="0.0001"))
    assert "65504" in above.message.en
    assert "65504" in the_finding(RULE, broken_by_the_step(weights="float16")).message.en
    other = the_finding(RULE, broken_by_the_step(weights="bfloat16", epsilon="1e-08"))
    assert "float16" not in other.message.en + other.advice.en


def test_names_the_rows_of_that_batch() -> None:
    run = sick(np.nan, slice(150, None))
    step = int(run[LOSS].steps[150])
    told = replace(run, facts={BROKEN_BATCHES: packed({step: "a.png"})})
    assert the_finding(RULE, told).message.en.endswith(f"step {step} held the rows `a.png`.")
    assert "`a.png`" in the_finding(RULE, told).message.in_language("zh")
