from __future__ import annotations

import numpy as np
import pytest

from helpers.rule_asserts import findings, first_evidence, the_finding
from made.changes import changed, falling, head, optimized_by, scaled, stuck, with_loss, without
from made.healthy import healthy_run
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.quantities import LEARNING_RATE, LOSS
from tb_lossdiag.rules.loss_curve.slow_convergence import SlowConvergence
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = SlowConvergence()


def crawling(run: Run, end: float = 0.6) -> Run:
    """A loss that falls in a straight line to `end` of its start, and steps a hundred times smaller than they should be."""
    n = len(run[LOSS])
    slow = with_loss(run, np.linspace(2.3, 2.3 * end, n))
    return scaled(slow, LEARNING_RATE, 1e-4)


SICK = crawling(healthy_run(1, 600, optimizer="SGD"))


@pytest.mark.parametrize("optimizer", ["SGD", "AdamW"])
def test_fires_on_a_straight_line_with_tiny_steps(optimizer: str) -> None:
    finding = the_finding(RULE, crawling(healthy_run(1, 600, optimizer=optimizer)))
    assert "almost constant pace" in finding.message.en
    assert ("momentum 0.9" in finding.advice.en) == (optimizer == "SGD")


@pytest.mark.parametrize("seed", range(20))
def test_clear_on_healthy_runs(seed: int) -> None:
    assert not findings(RULE, healthy_run(seed, 600))


def test_clear_with_steps_of_usual_size() -> None:
    run = healthy_run(1, 600, optimizer="SGD")
    assert not findings(RULE, with_loss(run, np.linspace(2.3, 1.4, 600)))


def test_clear_just_above_the_ratio() -> None:
    sick = crawling(healthy_run(1, 600, optimizer="SGD"))
    ratio = the_finding(RULE, sick).numbers["ratio"]
    for factor, expected in ((1.9e-4, 1), (2.1e-4, 0)):
        assert len(findings(RULE, scaled(sick, LEARNING_RATE, factor / ratio))) == expected


def test_clear_when_it_slows_down_by_itself() -> None:
    run = scaled(healthy_run(1, 600, optimizer="SGD"), LEARNING_RATE, 1e-4)
    assert not findings(RULE, with_loss(run, falling(600, 0.001)))


def test_clear_when_it_does_not_fall_or_is_done() -> None:
    run = scaled(healthy_run(1, 600, optimizer="SGD"), LEARNING_RATE, 1e-4)
    assert not findings(RULE, stuck(run))
    assert not findings(RULE, crawling(run, end=0.05))


@pytest.mark.parametrize("steps", [100, 150, 400])
def test_a_short_run_of_tiny_steps_shows_that_it_would_take_many_such_runs(steps: int) -> None:
    run = healthy_run(1, steps, optimizer="SGD")
    sick = crawling(run, end=0.95)
    ratio = the_finding(RULE, sick).numbers["ratio"]
    assert findings(RULE, scaled(sick, LEARNING_RATE, 4.9e-5 / ratio))
    near = scaled(sick, LEARNING_RATE, 5.1e-5 / ratio)
    assert outcome(RULE, near).verdict is Verdict.NOT_EVALUATED
    assert findings(RULE, crawling(run, end=0.92))
    assert outcome(RULE, crawling(run, end=0.9)).verdict is Verdict.NOT_EVALUATED
    assert outcome(RULE, head(sick, 99)).verdict is Verdict.NOT_EVALUATED


def test_a_short_run_that_stands_still_has_no_pace() -> None:
    sick = crawling(healthy_run(1, 200, optimizer="SGD"), end=1.0)
    assert not findings(RULE, sick)


def test_evidence_is_the_whole_run() -> None:
    run = crawling(healthy_run(1, 600, optimizer="SGD"))
    evidence = first_evidence(RULE, run)
    assert (evidence.first_step, evidence.last_step) == (0, run[LOSS].steps[-1])


def test_not_evaluated_on_few_records_or_an_unknown_optimizer() -> None:
    sick = crawling(healthy_run(1, 600, optimizer="SGD"))
    assert findings(RULE, head(sick, 500))
    assert outcome(RULE, head(sick, 499)).verdict is Verdict.NOT_EVALUATED
    warming = changed(sick, LEARNING_RATE, np.linspace(0, 1e-6, 600))
    assert outcome(RULE, warming).verdict is Verdict.NOT_EVALUATED
    assert outcome(RULE, optimized_by(sick, "LBFGS")).verdict is Verdict.NOT_EVALUATED
    assert outcome(RULE, without(sick, LEARNING_RATE)).missing == (LEARNING_RATE.name,)
