from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from helpers.rule_asserts import findings, findings_if_any, first_evidence, the_finding
from made.changes import without
from made.check_ups import check_steps, with_tables
from made.healthy import healthy_run
from made.loss_calls import with_call
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import (
    CALL_SOURCE,
    CALL_TARGET_MAX,
    LOSS,
    MADE_ASTRAY,
    MADE_SOURCE,
    REAL_HIGH,
    REAL_LOW,
    REAL_UNREACHED,
    Source,
)
from tb_lossdiag.records import table
from tb_lossdiag.rules.loss_use.output_range_mismatch import OutputRangeMismatch
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = OutputRangeMismatch()
RUN = healthy_run(1)


def targets(source: float, low: float, high: float, function: str = "mse_loss") -> Run:
    mean = (low + high) / 2
    return with_call(
        RUN, function, source=source, target_min=low, target_max=high, target_mean=mean, outputs=3
    )


SICK = targets(Source.TANH, 7, 12)


def test_fires_on_a_tanh_for_7_to_12() -> None:
    finding = the_finding(RULE, targets(Source.TANH, 7, 12))
    assert finding.severity is Severity.ERROR
    assert "from 7 to 12" in finding.message.en


@pytest.mark.parametrize("source", [Source.SIGMOID, Source.SOFTMAX, Source.RELU])
def test_fires_on_standardised_targets(source: float) -> None:
    assert the_finding(RULE, targets(source, -2, 2.5)).severity is Severity.WARNING


def test_fires_on_a_softmax_over_one_unit() -> None:
    for function in ("mse_loss", "binary_cross_entropy"):
        finding = the_finding(RULE, with_call(RUN, function, source=Source.SOFTMAX, outputs=1))
        assert finding.severity is Severity.ERROR
        assert "1 unit" in finding.message.en


def test_fires_on_cross_entropy_over_one_class() -> None:
    assert "1 class" in the_finding(RULE, with_call(RUN, "cross_entropy", outputs=1)).message.en


def test_fires_on_a_poisson_loss_of_a_softmax() -> None:
    counts = {"target_min": 0.0, "target_max": 900.0, "target_mean": 300.0, "outputs": 4.0}
    run = with_call(RUN, "poisson_nll_loss", source=Source.SOFTMAX, **counts)
    assert the_finding(RULE, run).severity is Severity.ERROR
    assert not findings(RULE, with_call(RUN, "poisson_nll_loss", **counts))


def test_fires_on_squashed_logits() -> None:
    tanh = the_finding(RULE, with_call(RUN, "cross_entropy", source=Source.TANH))
    assert "0.797" in tanh.message.en  # ln(1 + 9 / e^2)
    relu = with_call(RUN, "binary_cross_entropy_with_logits", source=Source.RELU)
    assert "below 0.5" in the_finding(RULE, relu).message.en


def tags(one_hot: float, **more: float) -> Run:
    facts = {"target_min": 0, "target_max": 1, "target_whole": 1, "target_mean": 0.5, "outputs": 3}
    facts |= {"source": Source.SOFTMAX, "target_one_hot": one_hot, **more}
    return with_call(RUN, "mse_loss", **facts)


def test_fires_on_a_softmax_for_several_classes_at_once() -> None:
    assert "65% of the target rows" in the_finding(RULE, tags(0.35)).message.en
    assert not findings(RULE, tags(0.72))
    assert not findings(RULE, tags(0.35, target_whole=0)), "soft targets may sum to 1"
    assert not findings(RULE, tags(0.35, source=Source.SIGMOID))


def test_fires_on_the_logarithm_of_a_relu() -> None:
    run = with_call(RUN, "nll_loss", source=Source.LOG_RELU, outputs=3)
    assert the_finding(RULE, run).severity is Severity.ERROR


@pytest.mark.parametrize("seed", range(12))
def test_clear_on_healthy_runs(seed: int) -> None:
    assert not findings_if_any(RULE, healthy_run(seed))


def test_targets_within_the_range_are_fine() -> None:
    for source, low, high in (
        (Source.SIGMOID, 0, 1),
        (Source.TANH, -1, 1),
        (Source.TANH, 0, 1),
        (Source.RELU, 0, 300),
        (Source.LINEAR, -5, 300),
        (Source.OTHER, -5, 300),
    ):
        assert not findings(RULE, targets(source, low, high))


def test_clear_just_below_the_excess() -> None:
    assert not findings(RULE, targets(Source.RELU, -0.099, 0.901))
    assert findings(RULE, targets(Source.RELU, -0.101, 0.899))


def test_what_other_rules_name_is_left_to_them() -> None:
    assert not findings(RULE, with_call(RUN, "cross_entropy", source=Source.SOFTMAX))
    assert not findings(
        RULE, with_call(RUN, "binary_cross_entropy_with_logits", source=Source.SIGMOID)
    )


def test_evidence_is_the_call() -> None:
    evidence, at = first_evidence(RULE, targets(Source.TANH, 7, 12)), check_steps(RUN[LOSS].steps)
    assert (evidence.quantity, evidence.column) == (CALL_TARGET_MAX.name, "mse_loss")
    assert (evidence.first_step, evidence.last_step) == (at[0], at[-1])
    assert (evidence.observed, evidence.threshold) == (12.0, 1.0)


def test_not_evaluated_when_the_source_is_unknown() -> None:
    assert outcome(RULE, without(RUN, CALL_SOURCE)).missing == (CALL_SOURCE.name,)
    assert not findings(RULE, with_call(RUN, "mse_loss", source=np.nan))


def judged(
    low: float, high: float, *, unmade: float = 0.0, astray: float = 0.3,
    source: Source = Source.TANH, checks: int = 4,
) -> Run:  # fmt: skip
    """A maker's check-ups, in which real ones go from `low` to `high`; no loss function is seen."""
    at = 10 * np.arange(checks)
    values = {
        MADE_SOURCE: float(source), REAL_LOW: low, REAL_HIGH: high, REAL_UNREACHED: unmade,
        MADE_ASTRAY: astray,
    }  # fmt: skip
    tables = [table(q, at, np.full(checks, v), ("generator",)) for q, v in values.items()]
    bare = {name: t for name, t in RUN.tables.items() if t.quantity.frame != "call"}
    return with_tables(replace(RUN, tables=bare), tables)


def test_a_maker_that_ends_in_a_tanh_beside_real_ones_of_0_to_1() -> None:
    finding = the_finding(RULE, judged(0, 1))
    assert finding.severity is Severity.WARNING
    assert finding.subject == "generator"
    assert "30% of what is made lies beyond them" in finding.message.en
    assert "2 * batch - 1" in finding.advice.en


def test_a_maker_that_cannot_make_what_is_real() -> None:
    finding = the_finding(RULE, judged(-0.8, 1.8, unmade=0.22))
    assert "22% of their numbers can't be made" in finding.message.en


@pytest.mark.parametrize(
    ("run", "fires"),
    [
        (judged(0, 1, astray=0.05), True),
        (judged(0, 1, astray=0.049), False),
        (judged(-0.01, 1), False),
        (judged(0, 0.89), False),
        (judged(0, 0.91), True),
        (judged(-1, 1, astray=0.0), False),
        (judged(0, 1, astray=0.0, source=Source.SIGMOID), False),
        (judged(-1, 1, unmade=0.021, source=Source.SIGMOID), True),
        (judged(-2, 2, unmade=0.019), False),
        (judged(0, 1, checks=2), False),
    ],
)
def test_the_bounds_of_makers(run: Run, fires: bool) -> None:
    assert bool(findings_if_any(RULE, run)) is fires
