from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from helpers.rule_asserts import findings, first_evidence, the_finding
from made.changes import changed, each_step, head, without
from made.healthy import healthy_run
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import (
    AMP_SKIPPED,
    BACKWARDS,
    CHECK_SECONDS,
    GRADIENT_NORM,
    LEARNING_RATE,
    PARAMETER_HELD,
    PARAMETER_NORM,
    PARAMETER_TRAINABLE,
    REACHING_PASSES,
    UNCHANGED_SHARE,
    UPDATE_NORM,
    Quantity,
)
from tb_lossdiag.records import table
from tb_lossdiag.rules.loop.step_changes_nothing import StepChangesNothing
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

ROWS = ("steps", "walltimes", "values")
RULE = StepChangesNothing()
RUN = healthy_run(1, layers=4)
SICK = changed(RUN, UNCHANGED_SHARE, 1.0)


def checked(share: float = 1.0, records: slice = slice(None)) -> Run:
    """In these records' check-ups the step left this share of the parameters as they were; no norms."""
    steps = RUN[UNCHANGED_SHARE].steps
    still = np.isin(steps, RUN[GRADIENT_NORM].steps[records])
    return changed(without(RUN, PARAMETER_NORM), UNCHANGED_SHARE, share * still)


def by_norms(records: slice = slice(None)) -> Run:
    """No check-ups; the parameters' norms stand still in these records."""
    norms = RUN[PARAMETER_NORM].values.copy()
    norms[records] = norms[records][:1]
    return changed(
        without(RUN, UNCHANGED_SHARE, UPDATE_NORM, BACKWARDS, CHECK_SECONDS), PARAMETER_NORM, norms
    )


def test_fires_when_check_ups_see_no_change() -> None:
    finding = the_finding(RULE, checked())
    assert finding.severity is Severity.ERROR
    assert "check-ups" in finding.message.en


def test_fires_when_no_norm_ever_changes() -> None:
    evidence = first_evidence(RULE, by_norms())
    assert (evidence.quantity, evidence.column) == (PARAMETER_NORM.name, "body.0.weight")


def test_clear_just_below_share_and_stretch() -> None:
    assert not findings(RULE, checked(0.98))
    assert findings(RULE, checked(1.0, slice(0, 110)))
    assert not findings(RULE, checked(1.0, slice(0, 90)))
    assert findings(RULE, by_norms(slice(0, 110)))
    assert not findings(RULE, by_norms(slice(0, 90)))


def test_norms_decide_where_check_ups_are_too_few() -> None:
    run = by_norms()
    few = replace(RUN[UNCHANGED_SHARE], **{k: getattr(RUN[UNCHANGED_SHARE], k)[:3] for k in ROWS})
    assert findings(RULE, replace(run, tables={**run.tables, UNCHANGED_SHARE.name: few}))


def test_clear_when_one_parameter_moves_or_nothing_pulls() -> None:
    norms = by_norms()[PARAMETER_NORM].values.copy()
    norms[:, 3] = RUN[PARAMETER_NORM].values[:, 3]
    assert not findings(RULE, changed(by_norms(), PARAMETER_NORM, norms))
    assert not findings(RULE, changed(by_norms(), GRADIENT_NORM, 0.0))


@pytest.mark.parametrize(
    ("quantity", "value", "words"),
    [
        (LEARNING_RATE, 0.0, "learning rate is 0"),
        (PARAMETER_HELD, 0.0, "doesn't hold"),
        (AMP_SKIPPED, 1.0, "GradScaler skips"),
        (AMP_SKIPPED, 0.0, "optimizer.step()"),
    ],
)
def test_says_why(quantity: object, value: float, words: str) -> None:
    run = changed(checked(), quantity, value)  # type: ignore[arg-type]
    assert words in the_finding(RULE, run).advice.en


@pytest.mark.parametrize("seed", range(10))
def test_clear_on_healthy_runs(seed: int) -> None:
    assert not findings(RULE, healthy_run(seed))
    assert not findings(RULE, without(healthy_run(seed), UNCHANGED_SHARE))


def test_evidence_is_the_stretch() -> None:
    evidence, steps = first_evidence(RULE, checked(1.0, slice(70, 200))), RUN[GRADIENT_NORM].steps
    assert (evidence.quantity, evidence.column) == (UNCHANGED_SHARE.name, "")
    assert (evidence.first_step, evidence.last_step) == (steps[70], steps[196])


def test_not_evaluated_on_too_little() -> None:
    assert outcome(RULE, head(each_step(by_norms()), 52)).verdict is Verdict.FINDINGS
    assert outcome(RULE, head(each_step(by_norms()), 51)).verdict is Verdict.NOT_EVALUATED
    nothing = outcome(RULE, without(RUN, UNCHANGED_SHARE, PARAMETER_NORM))
    assert nothing.verdict is Verdict.NOT_EVALUATED
    assert nothing.reason is not None
    assert "watch" in nothing.reason.en


def never_a_gradient(run: Run = RUN) -> Run:
    """As where `backward()` was left out: looks at what steps change see nothing."""
    norms = run[PARAMETER_NORM].values
    still = changed(changed(run, PARAMETER_NORM, norms[:1] + 0 * norms), UPDATE_NORM, 0.0)
    return without(still, GRADIENT_NORM, UNCHANGED_SHARE, BACKWARDS)


def test_names_steps_without_any_gradient() -> None:
    finding = the_finding(RULE, never_a_gradient())
    assert finding.severity is Severity.ERROR
    assert "never a gradient" in finding.message.en
    assert "none of" in finding.message.en
    assert "loss.backward()" in finding.advice.en


def test_a_backward_pass_of_another_is_said() -> None:
    run = never_a_gradient()
    run = replace(run, tables={**run.tables, BACKWARDS.name: RUN[BACKWARDS]})
    assert "was called before" in the_finding(RULE, run).message.en


def test_weights_that_are_written_by_hand_are_no_standstill() -> None:
    run = never_a_gradient()
    assert not findings(RULE, changed(run, PARAMETER_NORM, RUN[PARAMETER_NORM].values))
    assert not findings(RULE, changed(run, UPDATE_NORM, RUN[UPDATE_NORM].values))


def test_a_few_looks_say_nothing_yet() -> None:
    assert outcome(RULE, head(never_a_gradient(), 4)).verdict is Verdict.NOT_EVALUATED


def no_gradient_since(share: float) -> Run:
    """After this share of the run no pass reaches the parameters, and the optimizer steps on."""
    passes = table(REACHING_PASSES, RUN[UPDATE_NORM].steps, np.ones(len(RUN[UPDATE_NORM].steps)))
    run = replace(RUN, tables={**RUN.tables, REACHING_PASSES.name: passes})
    begin = float(share * run[GRADIENT_NORM].steps[-1])
    for quantity in (GRADIENT_NORM, UNCHANGED_SHARE):
        cut = int((run[quantity].steps <= begin).sum())
        kept = {each: getattr(run[quantity], each)[:cut] for each in ROWS}
        run = replace(run, tables={**run.tables, quantity.name: replace(run[quantity], **kept)})
    for quantity in (UPDATE_NORM, REACHING_PASSES):
        late = run[quantity].steps > begin
        run = changed(run, quantity, np.where(late[:, None], 0.0, run[quantity].values))
    norms = run[PARAMETER_NORM].values.copy()
    late = run[PARAMETER_NORM].steps > begin
    norms[late] = norms[late][:1]
    return changed(run, PARAMETER_NORM, norms)


@pytest.mark.parametrize(("least", "fires"), [(0.4, True), (0.55, False)])
def test_gradients_that_no_longer_come(least: float, fires: bool) -> None:
    assert bool(findings(replace(RULE, min_left=least), no_gradient_since(0.5))) == fires


def test_a_loss_that_kept_another_model() -> None:
    finding = the_finding(RULE, no_gradient_since(0.5))
    assert "steps on after step" in finding.message.en
    assert "no longer reaches the model" in finding.advice.en


@pytest.mark.parametrize("quantity", [REACHING_PASSES, UPDATE_NORM])
def test_passes_that_reach_and_steps_that_move_something_are_sound(quantity: Quantity) -> None:
    run = no_gradient_since(0.5)
    assert not findings(
        RULE, changed(run, quantity, RUN[UPDATE_NORM].values[-1, 0] + 0 * run[quantity].values)
    )


def test_a_last_stage_in_which_all_is_frozen() -> None:
    assert not findings(RULE, changed(no_gradient_since(0.5), PARAMETER_TRAINABLE, 0.0))
