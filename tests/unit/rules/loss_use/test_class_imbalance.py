from __future__ import annotations

import numpy as np
import pytest

from helpers.rule_asserts import findings, findings_if_any, first_evidence, the_finding
from made.changes import without
from made.check_ups import check_steps
from made.healthy import healthy_run
from made.loss_calls import with_call, with_labels
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.quantities import LABEL_COUNT, LOSS
from tb_lossdiag.rules.loss_use.class_imbalance import ClassImbalance, balanced
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = ClassImbalance()
RUN = healthy_run(1)
AT = check_steps(RUN[LOSS].steps)
CHECKS = np.arange(len(AT))


def rare(function: str = "cross_entropy", **facts: float | np.ndarray) -> Run:
    seen = {
        "majority": 0.95,
        "predicted_majority": 1.0,
        "value": 0.2,
        "baseline": 0.2,
        "target_mean": 0.05,
    }
    return with_call(RUN, function, **(seen | facts))


SICK = rare()


def test_fires_with_weights_from_the_labels() -> None:
    finding = the_finding(RULE, with_labels(rare(), [95, 5]))
    assert "95%" in finding.message.en
    assert "torch.tensor([0.526, 10])" in finding.advice.en


def test_yes_or_no_gets_a_pos_weight() -> None:
    finding = the_finding(RULE, rare("binary_cross_entropy_with_logits"))
    assert "pos_weight = torch.tensor(19)" in finding.advice.en


def test_balanced_weights_give_every_class_the_same_say() -> None:
    counts = np.array([90.0, 9.0, 1.0])
    assert np.ptp(balanced(counts) * counts) < 1e-9
    assert np.isfinite(balanced(np.array([10.0, 0.0]))).all()


@pytest.mark.parametrize("seed", range(12))
def test_clear_on_healthy_runs(seed: int) -> None:
    assert not findings_if_any(RULE, healthy_run(seed))


def test_imbalance_that_the_model_copes_with_is_not_this() -> None:
    assert not findings(RULE, rare(value=0.17))
    assert not findings(RULE, rare(value=0.189))
    assert findings(RULE, rare(value=0.191))
    assert not findings(RULE, rare(predicted_majority=0.99))
    assert not findings(RULE, rare(weighted=1, baseline=np.nan))
    assert not findings(RULE, rare(majority=1.0))
    assert not findings(RULE, rare(majority=0.79))


def test_weights_are_no_excuse() -> None:
    assert findings(RULE, rare(weighted=1))


def test_one_easy_batch_or_one_without_a_rare_class_does_not_matter() -> None:
    assert findings(RULE, rare(value=np.where(CHECKS == 8, 0.15, 0.2)))
    assert not findings(RULE, rare(value=np.where(CHECKS >= 8, 0.15, 0.2)))
    plain = len(CHECKS) - 2 == CHECKS
    run = rare(majority=np.where(plain, 1.0, 0.95), baseline=np.where(plain, 0.0, 0.2))
    assert findings(RULE, run)


def falling(*newest: float) -> Run:
    """Check-ups that cost as much as the frequencies, but for the newest ones."""
    value = np.full(len(CHECKS), 1.5)
    value[-len(newest) :] = newest
    return rare(value=0.2 * value)


def test_a_loss_that_still_falls_is_on_its_way() -> None:
    assert not findings(RULE, falling(1.7, 1.3, 1.15, 1.09))
    assert findings(RULE, falling(1.7, 1.3, 1.15, 1.11))  # has arrived
    assert findings(RULE, falling(1.7, 1.3, 1.31, 1.1))
    assert findings(RULE, falling(1.2, 1.3, 1.15, 1.05))  # of a batch that is easier than others


def test_guessing_at_the_start_is_not_this() -> None:
    early = np.where(CHECKS < 6, 1.0, 0.9)
    assert not findings(RULE, rare(predicted_majority=early))


def test_evidence_is_the_stretch_up_to_the_end() -> None:
    late = np.where(CHECKS < 4, 0.9, 1.0)
    evidence = first_evidence(RULE, rare(predicted_majority=late))
    assert (evidence.column, evidence.first_step, evidence.last_step) == (
        "cross_entropy",
        AT[4],
        AT[-1],
    )


def test_not_evaluated_on_few_check_ups() -> None:
    few = np.where(CHECKS < 4, 1.0, np.nan)
    assert outcome(RULE, rare(predicted_majority=few)).verdict is Verdict.NOT_EVALUATED
    assert outcome(RULE, with_call(RUN, "mse_loss")).verdict is Verdict.NOT_EVALUATED


@pytest.mark.parametrize("classes", [0, 21, 100])
def test_more_classes_than_fit_into_a_line_are_counted_by_code(classes: int) -> None:
    """Beyond 100 none is recorded; a list with dots in it would not run."""
    many = with_labels(rare(), [95.0] + [1.0] * (classes - 1))
    advice = the_finding(RULE, many if classes else without(rare(), LABEL_COUNT)).advice.en
    assert "torch.bincount(target" in advice
    assert "..." not in advice


def test_twenty_classes_fit_into_a_line() -> None:
    advice = the_finding(RULE, with_labels(rare(), [95.0] + [1.0] * 19)).advice.en
    assert advice.count(", 5.7") == 19
    assert not len(balanced(np.zeros(0)))
