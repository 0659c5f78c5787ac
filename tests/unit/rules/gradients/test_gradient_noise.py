from __future__ import annotations

import numpy as np
import pytest

from helpers.rule_asserts import findings, findings_if_any, first_evidence, the_finding
from made.changes import changed, falling, head, stuck, with_loss, without
from made.healthy import healthy_run
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import (
    BACKWARD_NORM,
    BACKWARDS,
    BATCH_SIZE,
    CARRIED_NORM,
    FIRST_BACKWARD_NORM,
)
from tb_lossdiag.rules.gradients.gradient_noise import GradientNoise
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = GradientNoise()
RUN = healthy_run(1)


def accumulated(run: Run, scale: float, parts: int = 8, batch: float = 16.0) -> Run:
    """Steps of `parts` backward passes of `batch` samples whose gradient has this noise scale."""
    first = np.sqrt(1 + scale / batch)
    total = parts * np.sqrt(1 + scale / (batch * parts))
    for quantity, value in (
        (BACKWARDS, float(parts)),
        (FIRST_BACKWARD_NORM, first),
        (BACKWARD_NORM, total),
        (BATCH_SIZE, batch),
        (CARRIED_NORM, 0.0),
    ):
        run = changed(run, quantity, np.full(len(run[quantity]), value))
    return stuck(run)


SICK = accumulated(RUN, 5000.0)


def test_measures_the_noise_scale() -> None:
    finding = the_finding(RULE, accumulated(RUN, 5000.0))
    assert finding.severity is Severity.INFO
    assert finding.numbers["scale"] == pytest.approx(5000, rel=0.01)
    assert finding.numbers["batch"] == 128


def test_measures_it_from_real_noise_whether_divided_or_not() -> None:
    rng = np.random.default_rng(0)
    run = accumulated(RUN, 5000.0)
    n = len(run[BACKWARDS])
    dimensions, batch, parts = 2000, 16, 8
    truth = np.ones(dimensions) / np.sqrt(dimensions)
    each = truth + rng.normal(0, np.sqrt(5000 / dimensions / batch), (n, parts, dimensions))
    first = np.linalg.norm(each[:, 0], axis=1)
    total = np.linalg.norm(each.sum(axis=1), axis=1)
    for factor in (1.0, 1 / parts):
        real = changed(
            changed(run, FIRST_BACKWARD_NORM, factor * first), BACKWARD_NORM, factor * total
        )
        assert 2500 < the_finding(RULE, real).numbers["scale"] < 10000


@pytest.mark.parametrize("seed", range(20))
def test_clear_on_healthy_runs(seed: int) -> None:
    assert not findings_if_any(RULE, healthy_run(seed))


def test_clear_just_below_the_ratio() -> None:
    assert not findings(RULE, accumulated(RUN, 1200.0))
    assert findings(RULE, accumulated(RUN, 1400.0))


def test_two_losses_are_not_parts_of_a_batch() -> None:
    assert outcome(RULE, accumulated(RUN, 5000.0, parts=2)).verdict is Verdict.NOT_EVALUATED


def test_not_evaluated_once_learned_or_with_gradients_left_over() -> None:
    learned = with_loss(accumulated(RUN, 5000.0), falling(200) * np.geomspace(1, 1e-6, 200))
    assert outcome(RULE, head(learned, 200)).verdict in {Verdict.NOT_EVALUATED, Verdict.CLEAR}
    carried = changed(accumulated(RUN, 5000.0), CARRIED_NORM, np.ones(len(RUN[CARRIED_NORM])))
    assert outcome(RULE, carried).verdict is Verdict.NOT_EVALUATED


def test_evidence_is_the_check_ups() -> None:
    evidence = first_evidence(RULE, accumulated(RUN, 5000.0))
    steps = RUN[BACKWARDS].steps
    assert (evidence.first_step, evidence.last_step) == (steps[0], steps[-1])
    assert evidence.quantity == BACKWARD_NORM.name


def test_not_evaluated_on_few_or_no_check_ups() -> None:
    assert outcome(RULE, head(accumulated(RUN, 5000.0), 7)).verdict is Verdict.NOT_EVALUATED
    assert outcome(RULE, without(RUN, BACKWARDS)).missing == (BACKWARDS.name,)
