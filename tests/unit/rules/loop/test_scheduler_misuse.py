from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from helpers.rule_asserts import findings, first_evidence, the_finding
from made.changes import changed, head, without
from made.healthy import healthy_run
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import AMP_SCALE, LEARNING_RATE, SCHEDULER_EARLY
from tb_lossdiag.rules.loop.scheduler_misuse import SchedulerMisuse
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = SchedulerMisuse()
PLACE = np.arange(200) / 199


def rated(rates: object, scheduler: str = "") -> Run:
    run = changed(healthy_run(1), LEARNING_RATE, np.asarray(rates, float))
    return replace(run, facts={**run.facts, **({"scheduler": scheduler} if scheduler else {})})


SICK = rated(0.1 * 0.9 ** np.arange(200))


def test_fires_when_an_exponential_meant_for_epochs_is_stepped_per_batch() -> None:
    finding = the_finding(RULE, rated(0.1 * 0.9 ** np.arange(200)))
    assert finding.severity is Severity.WARNING
    assert "gamma" in finding.advice.en
    waiting = rated(0.1 * 0.9 ** np.arange(200), "ReduceLROnPlateau")
    assert the_finding(RULE, waiting).severity is Severity.INFO


def test_fires_when_the_rate_is_zero_early() -> None:
    assert findings(RULE, rated(np.where(PLACE < 0.78, 0.1, 0.0)))
    assert not findings(RULE, rated(np.where(PLACE < 0.82, 0.1, 0.0)))
    assert not findings(RULE, rated(np.where(PLACE < 0.5, 0.1, 1.1e-5)))


@pytest.mark.parametrize(
    "shape",
    [
        (1 + np.cos(np.pi * PLACE)) / 2,
        1 - PLACE,
        (1 - PLACE) ** 2,
        np.minimum(PLACE / 0.3, (1.0001 - PLACE) / 0.7),
        np.exp(-7 * PLACE),
        10.0 ** -(PLACE // 0.3),
    ],
    ids=["cosine", "linear", "polynomial", "one-cycle", "exponential", "steps"],
)
def test_clear_on_the_usual_schedules(shape: np.ndarray[tuple[int], np.dtype[np.float64]]) -> None:
    assert not findings(RULE, rated(0.1 * shape, "CosineAnnealingLR"))


def test_fires_on_a_cosine_that_comes_back_again_and_again() -> None:
    waves = 0.05 * (1 + np.cos(np.pi * 6 * PLACE))
    assert "3 times" in the_finding(RULE, rated(waves, "CosineAnnealingLR")).message.en
    assert not findings(RULE, rated(waves, "CosineAnnealingWarmRestarts"))
    assert not findings(RULE, rated(0.05 * (1 + np.cos(np.pi * 2 * PLACE)), "CosineAnnealingLR"))


def test_a_scheduler_that_goes_first_is_an_information() -> None:
    early = changed(without(healthy_run(1), AMP_SCALE), SCHEDULER_EARLY, 1.0)
    assert the_finding(RULE, early).severity is Severity.INFO
    assert not findings(RULE, changed(healthy_run(1), SCHEDULER_EARLY, 1.0))


@pytest.mark.parametrize("seed", range(20))
def test_clear_on_healthy_runs(seed: int) -> None:
    assert not findings(RULE, healthy_run(seed))


def test_evidence_is_the_group_and_its_dead_part() -> None:
    run = rated(np.where(PLACE < 0.5, 0.1, 0.0))
    evidence, steps = first_evidence(RULE, run), run[LEARNING_RATE].steps
    assert (evidence.quantity, evidence.column) == (LEARNING_RATE.name, "group 0")
    assert (evidence.first_step, evidence.last_step) == (steps[100], steps[-1])


def test_not_evaluated_on_few_or_no_rates() -> None:
    assert outcome(RULE, head(healthy_run(1), 19)).verdict is Verdict.NOT_EVALUATED
    assert outcome(RULE, without(healthy_run(1), LEARNING_RATE)).missing == (LEARNING_RATE.name,)
