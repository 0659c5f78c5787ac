from __future__ import annotations

import numpy as np
import pytest

from helpers.rule_asserts import findings, first_evidence, the_finding
from made.changes import changed, optimized_by, without
from made.healthy import healthy_run
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import (
    PARAMETER_DECAY,
    PARAMETER_ROLE,
    PARAMETER_TRAINABLE,
    Role,
)
from tb_lossdiag.rules.loop.optimizer_hygiene import OptimizerHygiene
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = OptimizerHygiene()


def decayed(by: float = 0.01) -> Run:
    """An embedding, a normalisation layer and two biases are decayed like the weights."""
    run = healthy_run(1, layers=3)
    roles = [Role.EMBEDDING, Role.NORM, Role.WEIGHT, Role.BIAS, Role.WEIGHT, Role.BIAS]
    return changed(changed(run, PARAMETER_ROLE, np.array([roles])), PARAMETER_DECAY, by)


SICK = decayed()


def test_fires_and_counts_by_role() -> None:
    finding = the_finding(RULE, optimized_by(decayed(), "AdamW"))
    assert finding.severity is Severity.INFO
    assert "2 biases, 1 normalisation parameters and 1 embeddings" in finding.message.en
    assert "weight_decay=0.01)" in finding.advice.en
    assert "AdamW keeps" not in finding.advice.en


def test_says_what_adam_does_with_it() -> None:
    advice = the_finding(RULE, optimized_by(decayed(), "Adam")).advice.en
    assert "AdamW keeps them apart" in advice
    assert "optim.AdamW(" in advice


def test_clear_just_below_the_decay_and_on_frozen_parameters() -> None:
    assert findings(RULE, decayed(1.1e-3))
    assert not findings(RULE, decayed(0.9e-3))
    assert not findings(RULE, changed(decayed(), PARAMETER_TRAINABLE, 0.0))


def test_clear_when_one_or_none_is_pulled() -> None:
    roles = np.array([[Role.WEIGHT] * 5 + [Role.BIAS]])
    assert not findings(RULE, changed(decayed(), PARAMETER_ROLE, roles))
    grouped = np.array([[np.nan, 0.0, 0.01, 0.0, 0.01, 0.0]])
    assert not findings(RULE, changed(decayed(), PARAMETER_DECAY, grouped))


@pytest.mark.parametrize("seed", range(5))
def test_clear_on_healthy_runs(seed: int) -> None:
    assert not findings(RULE, healthy_run(seed))


def test_evidence_is_the_first_of_them() -> None:
    evidence = first_evidence(RULE, decayed())
    assert (evidence.quantity, evidence.column) == (PARAMETER_DECAY.name, "body.1.bias")


def test_not_evaluated_without_an_optimizer() -> None:
    unknown = changed(decayed(), PARAMETER_DECAY, np.nan)
    assert outcome(RULE, unknown).verdict is Verdict.NOT_EVALUATED
    assert outcome(RULE, without(decayed(), PARAMETER_ROLE)).missing == (PARAMETER_ROLE.name,)
