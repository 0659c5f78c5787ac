from __future__ import annotations

import numpy as np
import pytest

from helpers.rule_asserts import findings, first_evidence, the_finding
from made.changes import changed, head, without
from made.healthy import healthy_run
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import (
    AMP_SKIPPED,
    CLIP_NONFINITE,
    GRADIENT_NONFINITE,
    LOSS_NONFINITE,
    NONFINITE_STEPS,
    PARAMETER_NORM,
)
from tb_lossdiag.rules.clipping.clip_poison import ClipPoison
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = ClipPoison()
ROWS = np.arange(200)


def poisoned(at: int = 100, loss_from: int = 101) -> Run:
    """One Inf in one layer at record `at`; the loss is NaN from `loss_from` on. No scaler."""
    run = without(healthy_run(0, layers=3), AMP_SKIPPED)
    run = changed(run, CLIP_NONFINITE, at <= ROWS)
    broken = np.zeros(run[GRADIENT_NONFINITE].values.shape)
    broken[at, 0], broken[at + 1 :] = 1, 7
    run = changed(changed(run, GRADIENT_NONFINITE, broken), NONFINITE_STEPS, at <= ROWS)
    return changed(run, LOSS_NONFINITE, loss_from <= ROWS)


SICK = poisoned()


def test_fires_when_a_clip_broke_the_rest() -> None:
    finding = the_finding(RULE, poisoned())
    assert finding.severity is Severity.ERROR
    assert "only 1 of 6 gradients" in finding.message.en
    assert "broken from then on" in finding.message.en


def test_broken_weights_show_it_too() -> None:
    run = without(poisoned(), LOSS_NONFINITE)
    weights = np.where(ROWS[:, None] > 100, np.nan, run[PARAMETER_NORM].values)
    assert the_finding(RULE, changed(run, PARAMETER_NORM, weights)).severity is Severity.ERROR


def test_only_an_information_when_the_training_survived() -> None:
    run = changed(poisoned(), LOSS_NONFINITE, 0.0)
    run = changed(changed(run, CLIP_NONFINITE, ROWS == 100), GRADIENT_NONFINITE, 0.0)
    finding = the_finding(RULE, run)
    assert finding.severity is Severity.INFO
    assert "went on" in finding.message.en


def test_clear_when_the_loss_broke_first() -> None:
    run = poisoned(loss_from=100)
    assert not findings(RULE, changed(run, GRADIENT_NONFINITE, (ROWS >= 100) * 5.0))
    assert not findings(RULE, without(poisoned(loss_from=99), GRADIENT_NONFINITE))


def test_clear_when_a_scaler_skipped_the_steps() -> None:
    run = changed(healthy_run(0), CLIP_NONFINITE, ROWS % 50 == 0)
    assert not findings(RULE, changed(run, AMP_SKIPPED, ROWS % 50 == 1))
    assert findings(RULE, changed(run, AMP_SKIPPED, ROWS == 1))


@pytest.mark.parametrize("seed", range(5))
def test_clear_on_healthy_runs(seed: int) -> None:
    assert not findings(RULE, healthy_run(seed))


def test_evidence_is_the_clip_and_its_window() -> None:
    run = poisoned()
    evidence, steps = first_evidence(RULE, run), run[CLIP_NONFINITE].steps
    assert (evidence.quantity, evidence.column) == (CLIP_NONFINITE.name, "clip")
    assert (evidence.first_step, evidence.last_step) == (steps[100], steps[-1])


def test_not_evaluated_without_the_count() -> None:
    assert outcome(RULE, without(healthy_run(0), CLIP_NONFINITE)).missing == (CLIP_NONFINITE.name,)


def test_a_clip_in_the_last_record_has_damaged_nothing_yet() -> None:
    run = head(without(poisoned(), LOSS_NONFINITE), 101)
    assert the_finding(RULE, run).severity is Severity.INFO
