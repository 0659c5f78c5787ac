from __future__ import annotations

import numpy as np
import pytest

from helpers.rule_asserts import findings, first_evidence, the_finding
from made.changes import without
from made.logs import log, noisy
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.quantities import ACCURACY, LOSS, VALIDATION_ACCURACY
from tb_lossdiag.rules.loss_curve.accuracy_stands_still import AccuracyStandsStill
from tb_lossdiag.testing import outcome

RULE = AccuracyStandsStill()
FLAT, FALLING = np.full(20, 2.3), np.geomspace(2.3, 0.5, 20)

SICK = log(FLAT, FLAT, accuracy=np.full(20, 0.1), held_out=np.full(20, 0.1))


def counted(
    level: object, samples: int = 500, seed: int = 0
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Shares of right answers among so many samples."""
    shares = np.asarray(level, float)
    return np.random.default_rng(seed).binomial(samples, shares) / samples


@pytest.mark.parametrize("classes", [2, 3, 10, 100])
def test_a_constant_share_of_one_class_is_one_answer_to_everything(classes: int) -> None:
    run = log(FLAT, FLAT, held_out=np.full(20, 1 / classes))
    finding = the_finding(RULE, run)
    assert f"{classes} classes" in finding.message.en
    assert first_evidence(RULE, run).quantity == VALIDATION_ACCURACY.name


@pytest.mark.parametrize("seed", range(5))
def test_guessing_is_seen_in_the_noise_of_its_samples(seed: int) -> None:
    assert findings(RULE, log(FLAT, every=50, accuracy=counted(np.full(20, 0.5), 5000, seed)))
    percent = 100 * counted(np.full(20, 0.1), 10_000, seed)
    assert findings(RULE, log(FLAT, every=50, accuracy=percent))


@pytest.mark.parametrize("level", [0.0, 0.13, 0.4])
def test_an_accuracy_that_never_rises_while_the_loss_falls(level: float) -> None:
    finding = the_finding(RULE, log(FALLING, FALLING, accuracy=counted(np.full(20, level), 5000)))
    assert "0.5" in finding.message.en  # what the loss fell to
    assert finding.numbers["accuracy"] == pytest.approx(level, abs=0.02)


@pytest.mark.parametrize("seed", range(20))
def test_clear_when_it_rises_however_little_or_is_high(seed: int) -> None:
    rising = counted(np.linspace(0.1, 0.14, 20), 5000, seed)
    assert not findings(RULE, log(FALLING, FALLING, accuracy=rising))
    high = counted(np.full(20, 0.93), 100, seed)
    assert not findings(RULE, log(FALLING, FALLING, held_out=high))
    early = counted(0.9 - 0.8 * np.exp(-np.arange(20)), 500, seed)
    assert not findings(RULE, log(FALLING, FALLING, accuracy=early))


def test_one_of_two_that_rises_acquits_the_other() -> None:
    rising, flat = np.linspace(0.1, 0.8, 20), np.full(20, 0.1)
    assert not findings(RULE, log(FALLING, FALLING, accuracy=flat, held_out=rising))
    found = the_finding(RULE, log(FALLING, FALLING, accuracy=rising, held_out=flat))
    assert found.evidence[0].quantity == VALIDATION_ACCURACY.name


@pytest.mark.parametrize("seed", range(20))
def test_few_samples_prove_nothing(seed: int) -> None:
    slow = counted(np.linspace(0.1, 0.2, 20), 16, seed)
    assert not findings(RULE, log(FALLING, every=50, accuracy=slow))


def test_flat_at_no_share_beside_a_flat_loss_is_for_other_rules() -> None:
    """A fine-tuned model may be as good as it gets."""
    assert not findings(RULE, log(FLAT, FLAT, held_out=noisy(np.full(20, 0.42), 0.002)))


def test_not_evaluated_on_few_or_no_records() -> None:
    run = log(FLAT[:6], FLAT[:6], held_out=np.full(6, 0.1))
    assert outcome(RULE, run).verdict is Verdict.NOT_EVALUATED
    assert outcome(RULE, log(FLAT, accuracy=np.full(20, 0.1))).verdict is Verdict.NOT_EVALUATED
    assert outcome(RULE, log(FLAT)).verdict is Verdict.NOT_EVALUATED
    assert LOSS.name in outcome(RULE, without(run, LOSS)).missing
    wrong = log(FLAT, FLAT, accuracy=np.full(20, -0.1))
    assert outcome(RULE, wrong).verdict is Verdict.NOT_EVALUATED
    assert ACCURACY in wrong
