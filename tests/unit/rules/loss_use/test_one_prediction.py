from __future__ import annotations

import numpy as np
import pytest

from helpers.rule_asserts import findings, findings_if_any, the_finding
from made.changes import changed, head, without
from made.check_ups import check_steps
from made.healthy import healthy_run
from made.loss_calls import with_call
from made.modules import with_modules
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import (
    CALL_ACCURACY,
    CALL_MAJORITY,
    CALL_PREDICTED_MAJORITY,
    CALL_SAMPLES,
    LOSS,
    MODULE_KIND,
    PARAMETER_TRAINABLE,
    Kind,
)
from tb_lossdiag.rules import RULES
from tb_lossdiag.rules.loss_use.one_prediction import OnePrediction
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = OnePrediction()
RUN = healthy_run(1)
CHECKS = len(check_steps(RUN[LOSS].steps))


def collapsed(predicted: float | np.ndarray = 0.98, **facts: float | np.ndarray) -> Run:
    """Ten classes, of which one gets so many of the predictions."""
    seen = {"majority": 0.16, "accuracy": 0.12, "samples": 64.0, "predicted_majority": predicted}
    return with_call(RUN, "cross_entropy", **(seen | facts))


def from_the_end(predicted: float, back: int) -> np.ndarray:
    """Collapsed but for one check-up."""
    values = np.full(CHECKS, 0.98)
    values[-back] = predicted
    return values


SICK = collapsed()


def test_fires_where_everything_is_one_class() -> None:
    finding = the_finding(RULE, SICK)
    assert "one class for 98% of the samples" in finding.message.en
    assert "16% of the targets" in finding.message.en


def test_all_is_not_called_a_least_share() -> None:
    assert "one class for every sample, where" in the_finding(RULE, collapsed(1.0)).message.en


@pytest.mark.parametrize(
    ("run", "fires"),
    [
        (collapsed(0.91), True),
        (collapsed(0.89), False),
        (collapsed(from_the_end(0.6, 3)), False),
        (collapsed(from_the_end(0.6, 7)), True),
        (collapsed(majority=0.65), True),
        (collapsed(majority=0.7), False),  # that frequent it is LD509's
        (collapsed(accuracy=0.3), False),
        (collapsed(0.66), False),
    ],
)
def test_the_bounds(run: Run, fires: bool) -> None:
    assert bool(findings(RULE, run)) is fires


@pytest.mark.parametrize(
    ("newest", "fires"),
    [
        ((2.9, 2.8), False),  # on its way: frequent words come first
        ((2.9, 2.89), True),
        ((3.05, 2.8), True),
        ((2.8, 2.9), True),
    ],
)
def test_what_still_falls_is_on_its_way(newest: tuple[float, float], fires: bool) -> None:
    values = np.full(CHECKS, 3.0)
    values[-2:] = newest
    assert bool(findings(RULE, collapsed(value=values))) is fires


@pytest.mark.parametrize("seed", range(8))
def test_clear_on_healthy_runs(seed: int) -> None:
    assert not findings_if_any(RULE, healthy_run(seed))


def test_small_batches_and_few_check_ups_are_not_judged() -> None:
    for run in (collapsed(samples=15), head(SICK, 4)):
        assert outcome(RULE, run).verdict is Verdict.NOT_EVALUATED


def test_a_judge_of_two_players_may_be_at_a_loss() -> None:
    def beside(call: str, majority: float) -> Run:
        """A call that gives one answer, beside another of the same loss."""
        run = with_call(RUN, call)
        for quantity, pair in (
            (CALL_PREDICTED_MAJORITY, (1.0, 0.6)),
            (CALL_MAJORITY, (0.5, majority)),
            (CALL_ACCURACY, (0.5, 0.6)),
        ):
            run = changed(run, quantity, np.array([pair]), (call, f"{call} 2"))
        return changed(run, CALL_SAMPLES, np.array([[64.0, 64.0]]), (call, f"{call} 2"))

    judge = "binary_cross_entropy_with_logits"
    assert findings(RULE, beside(judge, 0.6))
    assert not findings(RULE, beside(judge, 1.0))
    assert findings(RULE, beside("cross_entropy", 1.0)), "classes have no two players"


def trained(*flags: float) -> Run:
    """Collapsed, with a trunk of two layers and a head, of whose weights those are trained."""
    kinds = {"trunk.0": Kind.LINEAR, "trunk.1": Kind.RELU, "head": Kind.LINEAR}
    names = ("trunk.0.weight", "head.weight", "head.bias")
    return changed(with_modules(SICK, kinds), PARAMETER_TRAINABLE, np.array([flags]), names)


@pytest.mark.parametrize(
    ("run", "severity"),
    [
        (trained(0, 1, 1), Severity.INFO),
        (trained(0, 0, 1), Severity.INFO),
        (trained(1, 1, 1), Severity.WARNING),
        (trained(1, 0, 0), Severity.WARNING),
        (trained(0, 0, 0), Severity.WARNING),
        (without(trained(0, 1, 1), MODULE_KIND), Severity.WARNING),
        (without(trained(0, 1, 1), PARAMETER_TRAINABLE), Severity.WARNING),
    ],
)
def test_a_head_alone_does_what_it_can(run: Run, severity: Severity) -> None:
    """On a frozen trunk there is nothing to collapse."""
    assert the_finding(RULE, run).severity is severity


def test_whatever_explains_that_nothing_is_learned_explains_this() -> None:
    """A model that stands still gives one answer, too."""
    able = {rule.code for rule in RULES if "LD104" in rule.explains} - {RULE.code}
    assert not able - {rule.code for rule in RULES if RULE.code in rule.explains}
