from __future__ import annotations

import numpy as np
import pytest

from helpers.rule_asserts import findings, the_finding
from made.changes import changed, head, scaled, stuck, with_vanishing, without
from made.healthy import healthy_run
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.quantities import (
    CALL_BASELINE,
    CALL_VALUE,
    EXTRA,
    GRADIENT_NORM,
    LOSS,
    PARAMETER_NORM,
    PARAMETER_ROLE,
    PARAMETER_SIZE,
    Role,
)
from tb_lossdiag.records import table
from tb_lossdiag.rules.gradients.vanishing_gradient import VanishingGradient
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = VanishingGradient()
DEEP = healthy_run(1, layers=6)
SICK = with_vanishing(DEEP)


@pytest.mark.parametrize("layers", [4, 6, 12])
def test_fires_and_names_both_ends(layers: int) -> None:
    run = with_vanishing(healthy_run(0, layers=layers))
    finding = the_finding(RULE, run)
    assert finding.subject == "body.0.weight"
    assert f"body.{layers - 1}.weight" in finding.message.en


@pytest.mark.parametrize("seed", range(20))
def test_clear_on_healthy_runs(seed: int) -> None:
    assert not findings(RULE, healthy_run(seed, layers=8))


def test_clear_just_below_the_decay() -> None:
    assert not findings(RULE, with_vanishing(healthy_run(0, layers=4), 360))
    assert findings(RULE, with_vanishing(healthy_run(0, layers=4), 440))


def test_an_agents_loss_is_never_learned_so_it_is_not_asked() -> None:
    """Its two heads stand beside each other, and the loss of one is thousands of times the other's."""
    values = np.ones((len(SICK[LOSS]), 1))
    run = changed(SICK, EXTRA, values, ("reward",))
    assert outcome(RULE, run).verdict is Verdict.NOT_EVALUATED


def test_a_record_of_little_gradient_at_the_end_does_not_break_the_stretch() -> None:
    run = with_vanishing(DEEP)
    values = run[GRADIENT_NORM].values.copy()
    values[5::10, -4:] *= 1e-3
    finding = the_finding(RULE, changed(run, GRADIENT_NORM, values))
    whole = the_finding(RULE, run)
    assert (finding.first_step, finding.last_step) == (whole.first_step, whole.last_step)


def test_a_layer_with_one_input_counts_where_its_role_is_known() -> None:
    run = with_vanishing(healthy_run(0, layers=4))
    elements = run[PARAMETER_SIZE].values.copy()
    elements[:, 0] = elements[:, 1]
    narrow = without(changed(run, PARAMETER_SIZE, elements), PARAMETER_ROLE)
    assert outcome(RULE, narrow).verdict is Verdict.NOT_EVALUATED
    columns = run[PARAMETER_SIZE].columns
    roles = table(PARAMETER_ROLE, [0], [[1.0, 2.0] * 4], columns)
    told = Run("roles", {**narrow.tables, PARAMETER_ROLE.name: roles}, run.facts)
    assert findings(RULE, told)


def test_clear_once_the_loss_is_learned() -> None:
    sick = with_vanishing(DEEP)
    learned = changed(sick, LOSS, np.geomspace(1, 0.01, 200))
    assert findings(RULE, sick)
    assert not [f for f in findings(RULE, learned) if f.last_step == sick[LOSS].steps[-1]]


def test_clear_on_a_run_that_has_learned_by_its_end() -> None:
    late = np.r_[np.ones(150), np.geomspace(1, 0.45, 50)]
    assert not findings(RULE, changed(with_vanishing(DEEP), LOSS, late))
    assert findings(RULE, changed(with_vanishing(DEEP), LOSS, np.maximum(late, 0.55)))


def test_an_embedding_is_no_first_layer() -> None:
    """Of an embedding and four layers the first third is the embedding, most of whose rows have no gradient in a batch."""
    run = healthy_run(0, layers=5)
    ratio = np.repeat([1e-3, 0.3, 0.5, 0.8, 1.0], 2)
    some = changed(stuck(run), GRADIENT_NORM, ratio * run[PARAMETER_NORM].values)
    roles = np.tile([1.0, 2.0], 5)
    assert findings(RULE, changed(some, PARAMETER_ROLE, roles[None]))
    roles[0] = Role.EMBEDDING
    assert not findings(RULE, changed(some, PARAMETER_ROLE, roles[None]))


def test_a_head_that_begins_at_nothing_is_compared_with_a_usual_norm() -> None:
    """A gain of 0.01: the head's gradient is large beside its weights."""
    run = with_vanishing(healthy_run(0, layers=4), 100)
    norms = run[PARAMETER_NORM].values.copy()
    norms[:, 6] = 0.08
    ratio = run[GRADIENT_NORM].values / run[PARAMETER_NORM].values
    ratio[:, 6] *= 30
    small = changed(run, PARAMETER_NORM, norms)
    gradients = changed(small, GRADIENT_NORM, ratio * norms)
    assert not findings(RULE, gradients)
    assert findings(RULE, without(gradients, PARAMETER_SIZE))


def test_a_loss_that_only_came_down_to_a_constant_is_not_learned() -> None:
    fell = changed(with_vanishing(DEEP), LOSS, np.geomspace(10, 1, 200))
    constant = changed(changed(fell, CALL_VALUE, 1.02), CALL_BASELINE, 1.0)
    assert the_finding(RULE, constant).last_step == fell[LOSS].steps[-1]
    better = changed(constant, CALL_VALUE, 0.9)
    assert not [f for f in findings(RULE, better) if f.last_step == fell[LOSS].steps[-1]]


def test_sparse_norms_of_parameters_are_enough() -> None:
    run = with_vanishing(DEEP)
    norm = run[PARAMETER_NORM]
    few = table(PARAMETER_NORM, norm.steps[::50], norm.values[::50], norm.columns)
    assert findings(RULE, Run("sparse", {**run.tables, PARAMETER_NORM.name: few}, run.facts))


def test_one_odd_first_layer_is_no_decay() -> None:
    factor = np.ones(12)
    factor[0] = 1e-6
    odd = changed(with_vanishing(DEEP, 1.0), GRADIENT_NORM, DEEP[PARAMETER_NORM].values * factor)
    assert not findings(RULE, odd)


def test_scaling_the_loss_changes_nothing() -> None:
    run = with_vanishing(DEEP)
    tiny = scaled(run, GRADIENT_NORM, 1e-6)
    assert the_finding(RULE, tiny).evidence[0].observed == pytest.approx(
        the_finding(RULE, run).evidence[0].observed, rel=1e-3
    )
    assert not findings(RULE, scaled(DEEP, GRADIENT_NORM, 1e-9))


def test_evidence_is_the_stretch_of_the_first_layer() -> None:
    run = with_vanishing(DEEP)
    gradient = DEEP[GRADIENT_NORM].values.copy()
    gradient[40:] = run[GRADIENT_NORM].values[40:]
    evidence = the_finding(RULE, changed(run, GRADIENT_NORM, gradient)).evidence[0]
    steps = run[GRADIENT_NORM].steps
    assert (evidence.quantity, evidence.column) == (GRADIENT_NORM.name, "body.0.weight")
    assert (evidence.first_step, evidence.last_step) == (steps[40], steps[-1])


def test_needs_no_sizes_but_depth_records_and_norms() -> None:
    assert findings(RULE, without(with_vanishing(DEEP), PARAMETER_SIZE))
    shallow = with_vanishing(healthy_run(0, layers=3))
    assert outcome(RULE, shallow).verdict is Verdict.NOT_EVALUATED
    assert outcome(RULE, head(DEEP, 10)).verdict is Verdict.NOT_EVALUATED
    assert outcome(RULE, without(DEEP, PARAMETER_NORM)).missing == (PARAMETER_NORM.name,)
