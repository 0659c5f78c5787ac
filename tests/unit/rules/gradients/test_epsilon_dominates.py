from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from helpers.rule_asserts import findings, findings_if_any, first_evidence, the_finding
from made.changes import falling, optimized_by, stuck, with_loss, without
from made.check_ups import with_tables
from made.healthy import healthy_run
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.quantities import EPSILON, LOSS, PARAMETER_NORM, SECOND_MOMENT_ROOT, UPDATE_NORM
from tb_lossdiag.records import table
from tb_lossdiag.rules.gradients.epsilon_dominates import EpsilonDominates
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = EpsilonDominates()
AT = np.array([0, 1, 2, 4, 8, 16, 32, 64, 128])


def damped(
    share: float = 0.01,
    *,
    ratio: float = 1e-4,
    epsilon: float = 0.1,
    run: Run | None = None,
    checks: int = len(AT),
) -> Run:
    """The root of the second moments is this share of epsilon, and steps are this part of the weights."""
    run = stuck(healthy_run(1)) if run is None else run
    norms, names = run[PARAMETER_NORM], run[PARAMETER_NORM].columns
    update = table(UPDATE_NORM, norms.steps, ratio * norms.values, names)
    ones = np.ones((checks, len(names)))
    roots = table(SECOND_MOMENT_ROOT, AT[:checks], ones * share * epsilon, names)
    return with_tables(run, [update, roots, table(EPSILON, AT[:checks], ones * epsilon, names)])


SICK = damped()


def test_names_epsilon_and_what_it_outweighs() -> None:
    finding = the_finding(RULE, SICK)
    assert "epsilon (0.1)" in finding.message.en
    assert "at most 0.001 in" in finding.message.en
    assert first_evidence(RULE, SICK).quantity == SECOND_MOMENT_ROOT.name
    assert "eps=1e-8" in finding.advice.en


def test_an_epsilon_that_is_usual_means_tiny_gradients() -> None:
    finding = the_finding(RULE, optimized_by(damped(epsilon=1e-8), "AdamW"))
    assert "a factor that makes the loss small" in finding.advice.en
    assert "matter to AdamW" in finding.advice.en


@pytest.mark.parametrize(("share", "expected"), [(0.09, 1), (0.11, 0), (1e3, 0)])
def test_where_the_bound_is(share: float, expected: int) -> None:
    assert len(findings_if_any(RULE, damped(share))) == expected


@pytest.mark.parametrize(("ratio", "expected"), [(9e-4, 1), (1.2e-3, 0), (0.0, 0)])
def test_steps_must_be_small_and_must_be(ratio: float, expected: int) -> None:
    assert len(findings_if_any(RULE, damped(ratio=ratio))) == expected


@pytest.mark.parametrize(("lost", "expected"), [(0.08, 1), (0.12, 0)])
def test_a_run_that_gets_somewhere_is_left_alone(lost: float, expected: int) -> None:
    run = with_loss(healthy_run(1), np.linspace(2.3, 2.3 * (1 - lost), 200))
    assert len(findings_if_any(RULE, damped(run=run))) == expected
    assert not findings(RULE, damped(run=with_loss(healthy_run(1), falling())))


def test_gradients_that_faded_later_do_not_count() -> None:
    run = damped()
    roots = run[SECOND_MOMENT_ROOT]
    values = roots.values.copy()
    values[0] = 0.5
    faded = table(SECOND_MOMENT_ROOT, roots.steps, values, roots.columns)
    assert not findings(RULE, with_tables(run, [faded]))


def test_needs_check_ups_steps_and_what_they_changed() -> None:
    assert outcome(RULE, damped(checks=2)).verdict is Verdict.NOT_EVALUATED
    assert len(findings_if_any(RULE, damped(checks=3))) == 1
    assert outcome(replace(RULE, min_steps=10_000), SICK).verdict is Verdict.NOT_EVALUATED
    assert outcome(RULE, without(SICK, UPDATE_NORM)).verdict is Verdict.NOT_EVALUATED
    assert outcome(RULE, without(SICK, LOSS)).missing == (LOSS.name,)
