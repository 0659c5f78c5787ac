from __future__ import annotations

import numpy as np
import pytest

from helpers.rule_asserts import findings, findings_if_any, first_evidence, the_finding
from made.changes import without
from made.check_ups import check_steps, with_tables
from made.healthy import healthy_run
from made.loss_calls import with_call
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import CALL_INPUT_MAX, LOSS, QUANTITIES, SOFTMAX_TWICE, Axis, Source
from tb_lossdiag.records import table
from tb_lossdiag.rules.loss_use.softmax_before_cross_entropy import SoftmaxBeforeCrossEntropy
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = SoftmaxBeforeCrossEntropy()
RUN = healthy_run(1)
CHECKS = len(check_steps(RUN[LOSS].steps))


def probabilities(source: float = np.nan, **facts: float | np.ndarray) -> Run:
    seen = {
        "input_min": 0.01,
        "input_max": 0.6,
        "row_sum_error": 1e-7,
        "row_exp_error": 10.0,
        "source": source,
    }
    return with_call(RUN, "cross_entropy", **(seen | facts))


SICK = probabilities(Source.SOFTMAX, value=1.7)


@pytest.mark.parametrize("source", [Source.SOFTMAX, Source.OTHER, np.nan])
def test_fires_on_probabilities(source: float) -> None:
    finding = the_finding(RULE, probabilities(source))
    assert finding.severity is Severity.ERROR
    assert "1.46" in finding.message.en  # ln(1 + 9 / e)
    assert finding.subject == "cross_entropy"


@pytest.mark.parametrize("seed", range(12))
def test_clear_on_healthy_runs(seed: int) -> None:
    assert not findings_if_any(RULE, healthy_run(seed))


def test_a_softmax_needs_one_check_up_and_values_two() -> None:
    only = np.full(CHECKS, np.nan)
    only[0] = 0.6
    once = {"input_max": only, "input_min": only * 0.01}
    assert findings(RULE, probabilities(Source.SOFTMAX, **once))
    assert not findings(RULE, probabilities(np.nan, **once))


def test_clear_just_beyond_the_row_error() -> None:
    assert not findings(RULE, probabilities(row_sum_error=0.021))
    assert findings(RULE, probabilities(row_sum_error=0.019))


def test_small_logits_and_a_linear_output_are_not_this() -> None:
    assert not findings(RULE, probabilities(row_sum_error=3.0))
    assert not findings(RULE, probabilities(Source.LINEAR))


def test_log_probabilities_are_an_information() -> None:
    seen = {"input_min": -8.0, "input_max": -0.1, "row_sum_error": 40.0, "row_exp_error": 1e-6}
    finding = the_finding(RULE, probabilities(Source.LOG_SOFTMAX, **seen))
    assert finding.severity is Severity.INFO


def test_log_probabilities_into_nll_are_right() -> None:
    assert outcome(RULE, with_call(RUN, "nll_loss")).verdict is Verdict.CLEAR


def test_distillation_and_label_smoothing_are_not_this() -> None:
    soft = with_call(RUN, "cross_entropy", target_index=0, target_max=0.9, target_whole=0.0)
    assert not findings(RULE, soft)


def test_evidence_is_the_check_ups_of_the_call() -> None:
    high = np.full(CHECKS, 0.6)
    high[0] = 3.0
    evidence, at = first_evidence(RULE, probabilities(input_max=high)), check_steps(RUN[LOSS].steps)
    assert (evidence.quantity, evidence.column) == (CALL_INPUT_MAX.name, "cross_entropy")
    assert (evidence.first_step, evidence.last_step) == (at[1], at[-1])


def test_not_evaluated_without_such_a_call() -> None:
    result = outcome(RULE, with_call(RUN, "mse_loss"))
    assert result.verdict is Verdict.NOT_EVALUATED
    assert result.reason is not None
    assert "seen: mse_loss" in result.reason.en


@pytest.mark.parametrize("function", ["nll_loss", "kl_div", "ctc_loss"])
def test_fires_on_a_log_softmax_of_probabilities(function: str) -> None:
    twice = with_call(RUN, function, source_before=Source.SOFTMAX)
    assert "twice" in the_finding(RULE, twice).message.en
    assert not findings(RULE, with_call(RUN, function, source_before=Source.LINEAR))


def on_the_way(checks: int) -> Run:
    """A policy's run: no loss function is called."""
    steps = check_steps(RUN[LOSS].steps)[:checks]
    bare = without(RUN, *(known for known in QUANTITIES if known.axis is Axis.CALL))
    return with_tables(bare, [table(SOFTMAX_TWICE, steps, np.full(checks, 5.0))])


def test_fires_where_no_loss_function_of_torch_is_called() -> None:
    finding = the_finding(RULE, on_the_way(3))
    assert "softmax over 5 classes" in finding.message.en
    assert finding.evidence[0].quantity == SOFTMAX_TWICE.name


def test_once_is_no_habit() -> None:
    assert not findings_if_any(RULE, on_the_way(1))


def test_a_call_of_a_loss_function_says_more() -> None:
    both = with_tables(SICK, [on_the_way(3)[SOFTMAX_TWICE]])
    assert "`cross_entropy` was given probabilities" in the_finding(RULE, both).message.en
