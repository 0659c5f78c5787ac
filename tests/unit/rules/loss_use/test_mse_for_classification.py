from __future__ import annotations

import numpy as np
import pytest

from helpers.rule_asserts import alarms, findings, findings_if_any, first_evidence, the_finding
from made.changes import stuck, with_loss
from made.check_ups import check_steps
from made.healthy import healthy_run
from made.loss_calls import with_call
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import CALL_TARGET_UNIQUE, LOSS, Source
from tb_lossdiag.rules.loss_use.mse_for_classification import MseForClassification
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = MseForClassification()
RUN = stuck(healthy_run(1))
AT = check_steps(RUN[LOSS].steps)


def one_hot(run: Run = RUN, **facts: float) -> Run:
    seen = {
        "outputs": 10,
        "target_whole": 1,
        "target_one_hot": 1,
        "target_unique": 2,
        "target_min": 0,
        "target_max": 1,
    }
    return with_call(run, "mse_loss", **(seen | facts))


SICK = one_hot()


def single(unique: float, high: float, low: float = 0, source: float = Source.LINEAR) -> Run:
    seen = {"target_whole": 1, "target_unique": unique, "target_min": low, "target_max": high}
    return with_call(RUN, "mse_loss", source=source, **seen)


def test_fires_on_one_hot_rows() -> None:
    finding = the_finding(RULE, one_hot())
    assert finding.severity is Severity.WARNING
    assert "10 classes" in finding.message.en
    assert "target.argmax(dim=1)" in finding.advice.en


@pytest.mark.parametrize("source", [Source.SIGMOID, Source.SOFTMAX, Source.TANH])
def test_fires_on_yes_or_no_after_a_squashing_function(source: float) -> None:
    finding = the_finding(RULE, single(2, 1, source=source))
    assert finding.severity is Severity.WARNING
    assert "gradient vanishes" in finding.message.en


@pytest.mark.parametrize("seed", range(12))
def test_clear_on_healthy_runs(seed: int) -> None:
    assert not findings_if_any(RULE, healthy_run(seed))


def test_square_loss_that_works_is_an_information() -> None:
    learned = with_loss(RUN, np.geomspace(1, 0.01, 200))
    assert the_finding(RULE, one_hot(learned)).severity is Severity.INFO
    assert the_finding(RULE, one_hot(accuracy=0.95)).severity is Severity.INFO


def test_counts_grades_and_linear_yes_or_no_are_an_information() -> None:
    for run in (single(10, 9), single(5, 5, low=1), single(2, 1), single(2, 1, low=-1)):
        assert the_finding(RULE, run).severity is Severity.INFO
    assert not findings(RULE, single(21, 20))
    assert findings(RULE, single(20, 19))


def spread(mean: float, std: float, unique: float = 4, low: float = 0) -> Run:
    """Whole targets of four kinds; equally frequent they have mean 1.5 and spread 1.118."""
    seen = {"target_whole": 1, "target_unique": unique, "target_min": low, "target_max": low + 3}
    return with_call(RUN, "mse_loss", target_mean=low + mean, target_std=std, **seen)


def test_equally_frequent_numbers_are_classes() -> None:
    finding = the_finding(RULE, spread(1.5, 1.118))
    assert finding.severity is Severity.WARNING
    assert "equally frequent, as class indices are" in finding.message.en
    assert "target.long()" in finding.advice.en


@pytest.mark.parametrize(
    ("run", "severity"),
    [
        (spread(1.5, 1.02), Severity.WARNING),
        (spread(1.5, 0.99), Severity.INFO),
        (spread(1.36, 1.118), Severity.WARNING),
        (spread(1.34, 1.118), Severity.INFO),
        (spread(1.5, 1.118, unique=3), Severity.INFO),
        (spread(1.5, 1.118, low=1), Severity.INFO),
    ],
)
def test_counts_and_grades_pile_up_or_begin_at_1(run: Run, severity: Severity) -> None:
    assert the_finding(RULE, run).severity is severity


def test_least_squares_gans_and_binary_images_are_not_this() -> None:
    assert not findings(RULE, single(1, 1, low=1))
    assert not findings(RULE, one_hot(outputs=784, target_one_hot=0.01))


def test_clear_just_below_the_share_of_one_hot_rows() -> None:
    assert not alarms(RULE, one_hot(target_one_hot=0.89))
    assert alarms(RULE, one_hot(target_one_hot=0.91))


def test_evidence_is_the_targets() -> None:
    evidence = first_evidence(RULE, one_hot())
    assert (evidence.quantity, evidence.column) == (CALL_TARGET_UNIQUE.name, "mse_loss")
    assert (evidence.first_step, evidence.last_step) == (AT[0], AT[-1])


def test_not_evaluated_for_class_losses() -> None:
    assert outcome(RULE, with_call(RUN, "cross_entropy")).verdict is Verdict.NOT_EVALUATED


def test_classes_are_counted_over_the_whole_run() -> None:
    """A batch may lack some; the middle of two counts is no count."""
    run = with_call(
        RUN,
        "mse_loss",
        target_whole=1,
        target_unique=np.where(np.arange(len(AT)) < len(AT) // 2, 9.0, 10.0),
        target_min=1,
        target_max=10,
    )
    assert "10 whole numbers from 1 to 10" in the_finding(RULE, run).message.en
