from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from helpers.rule_asserts import findings, findings_if_any, the_finding
from made.check_ups import check_steps, with_tables
from made.healthy import healthy_run
from made.loss_calls import with_call, with_labels
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import (
    CALL_BOTH_COUNT,
    CALL_BOTH_NO,
    CALL_BOTH_WEIGHT,
    LABEL_WEIGHT,
    LOSS,
    PREDICTED_COUNT,
)
from tb_lossdiag.records import table
from tb_lossdiag.rules.loss_use.weights_less_even import WeightsLessEven
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = WeightsLessEven()
RUN = healthy_run(1)
AT = check_steps(RUN[LOSS].steps)


def weighted(counts: Sequence[float], weights: Sequence[float]) -> Run:
    """A run whose check-ups saw so many targets of each class, and were given these weights."""
    run = with_labels(with_call(RUN, "cross_entropy", weighted=1), counts)
    names = [str(index) for index in range(len(weights))]
    given = table(LABEL_WEIGHT, AT, np.tile(weights, (len(AT), 1)), names)
    return with_tables(run, [given])


def answered(
    weights: Sequence[float], predicted: Sequence[float], counts: Sequence[float] = (32, 32)
) -> Run:
    """The same, and how often the model answered with each class."""
    run = weighted(counts, weights)
    names = [str(index) for index in range(len(predicted))]
    return with_tables(run, [table(PREDICTED_COUNT, AT, np.tile(predicted, (len(AT), 1)), names)])


def answers(share: float, pos_weight: float) -> Run:
    """Yes and no."""
    name = "binary_cross_entropy_with_logits"
    return with_call(RUN, name, weighted=1, target_mean=share, pos_weight=pos_weight)


SICK = weighted([70, 20, 10], [4.0, 1.0, 0.5])


def test_fires_where_weights_are_in_the_wrong_order() -> None:
    finding = the_finding(RULE, SICK)
    assert finding.severity is Severity.WARNING
    assert "Class 0 has 70% of the targets" in finding.message.en
    assert "91.8% of the say" in finding.message.en
    assert "LD509" in RULE.explains


@pytest.mark.parametrize(
    ("run", "severity"),
    [
        (weighted([70, 20, 10], [0.5, 1.7, 3.3]), None),  # the inverse
        (weighted([70, 20, 10], [1.0, 1.0, 1.0]), None),
        (weighted([70, 20, 10], [1.7, 1.0, 1.0]), Severity.WARNING),  # 20 % are left of 30 %
        (weighted([70, 20, 10], [1.5, 1.0, 1.0]), None),
        (weighted([70, 20, 10], [0.1, 1.0, 30.0]), Severity.INFO),  # a rare class is meant to count
        (weighted([26, 25, 25, 24], [9.0, 1.0, 1.0, 1.0]), Severity.INFO),  # no class is the frequent one
        (weighted([9, 1], [1.0, 9.0]), None),
        (answers(0.1, 9.0), None),
        (answers(0.7, 5.0), Severity.WARNING),
        (answers(0.1, 100.0), None),
        (answers(0.3, 50.0), Severity.INFO),
    ],
)  # fmt: skip
def test_what_weights_do(run: Run, severity: Severity | None) -> None:
    assert [f.severity for f in findings(RULE, run)] == ([] if severity is None else [severity])


COUNTED = [0.0383, 0.9617]


@pytest.mark.parametrize(
    ("run", "severity"),
    [
        (answered(COUNTED, [20, 44]), Severity.WARNING),
        (answered(COUNTED, [27, 37]), Severity.INFO),  # the model does not follow
        (answered([0.1, 0.9], [20, 44]), Severity.INFO),  # numbers that somebody chose
        (answered([0.065, 0.935], [20, 44]), Severity.INFO),
        (answered([1.0, 25.0], [10, 54]), Severity.INFO),
        (answered([0.02, 0.3], [10, 54]), Severity.INFO),  # fifteen times
        (answered([1.0, 3.173], [20, 44]), Severity.INFO),  # a quarter is left of a half
        (answered(COUNTED, [20, 44], [44, 20]), Severity.INFO),  # nobody has made them even
        (weighted([32, 32], COUNTED), Severity.INFO),  # answers are not known
    ],
)
def test_what_is_balanced_twice(run: Run, severity: Severity) -> None:
    assert the_finding(RULE, run).severity is severity


def test_says_that_it_is_balanced_twice() -> None:
    finding = the_finding(RULE, answered(COUNTED, [16, 48]))
    assert "the answer for 75% of the samples" in finding.message.en
    assert "balanced twice" in finding.message.en
    assert "one of the two is enough" in finding.advice.en


@pytest.mark.parametrize("factor", [10.0, 1000.0])
def test_the_grosser_the_order_the_louder(factor: float) -> None:
    run = weighted([70, 20, 10], [factor, 1.0, 1 / factor])
    assert the_finding(RULE, run).severity is Severity.WARNING


@pytest.mark.parametrize("seed", range(6))
def test_clear_on_healthy_runs(seed: int) -> None:
    assert not findings_if_any(RULE, healthy_run(seed))


def test_few_targets_are_not_judged() -> None:
    run = weighted([0.7, 0.2, 0.1], [4.0, 1.0, 0.5])
    assert outcome(RULE, run).verdict is Verdict.NOT_EVALUATED


def tagged(weight: float = 19.0, share: float = 0.05, said: float = 0.0, size: int = 200) -> Run:
    """A weight for each output, so many positive targets of a batch, and so many positive answers."""
    name = "binary_cross_entropy_with_logits"
    run = with_call(RUN, name, weighted=1, target_mean=share, predicted_majority=1 - said)
    facts = {
        CALL_BOTH_WEIGHT: weight,
        CALL_BOTH_COUNT: share * size,
        CALL_BOTH_NO: (1 - share) * size,
    }
    tables = [table(q, AT, np.full((len(AT), 1), value), (name,)) for q, value in facts.items()]
    return with_tables(run, tables)


def test_odds_that_are_given_as_a_weight_of_both_answers() -> None:
    finding = the_finding(RULE, tagged())
    assert finding.severity is Severity.WARNING
    assert "is about 19, which is how many negative targets" in finding.message.en
    assert "pos_weight=pos_weight" in finding.advice.en


@pytest.mark.parametrize(
    ("run", "fires"),
    [
        (tagged(19 * 1.19), True),
        (tagged(19 * 1.21), False),
        (tagged(19 * 0.81), True),
        (tagged(19 * 0.79), False),
        (tagged(2.9, share=1 / 3.9), False),  # hardly more of one kind
        (tagged(3.1, share=1 / 4.1), True),
        (tagged(said=0.025), True),
        (tagged(said=0.026), False),  # it answers yes all the same
        (tagged(size=60), False),  # 3 positive targets in each of 31 check-ups
        (tagged(size=70), True),
    ],
)
def test_the_bounds_of_a_weight_of_both_answers(run: Run, fires: bool) -> None:
    found = [f for f in findings_if_any(RULE, run) if "pos_weight" in f.message.en]
    assert bool(found) is fires
