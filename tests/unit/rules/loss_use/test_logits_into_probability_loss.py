from __future__ import annotations

import numpy as np
import pytest

from helpers.rule_asserts import findings, findings_if_any, first_evidence, the_finding
from made.check_ups import check_steps
from made.healthy import healthy_run
from made.loss_calls import with_call
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.quantities import LOSS, Form, Source
from tb_lossdiag.rules.loss_use.logits_into_probability_loss import LogitsIntoProbabilityLoss
from tb_lossdiag.testing import outcome

RULE = LogitsIntoProbabilityLoss()
RUN = healthy_run(1)
AT = check_steps(RUN[LOSS].steps)
SICK = with_call(RUN, "nll_loss", source=Source.LINEAR, input_max=5.0, row_exp_error=60.0)


def test_fires_on_logits_into_nll() -> None:
    run = with_call(RUN, "nll_loss", source=Source.LINEAR, input_max=4.0, row_exp_error=60.0)
    finding = the_finding(RULE, run)
    assert "raw outputs" in finding.message.en
    assert "cross_entropy" in finding.advice.en


def test_says_what_it_was_given_instead() -> None:
    soft = with_call(RUN, "nll_loss", source=Source.SOFTMAX, input_min=0, input_max=0.7)
    assert "without their logarithm" in the_finding(RULE, soft).message.en
    axis = with_call(RUN, "nll_loss", source=Source.LOG_SOFTMAX, row_exp_error=0.9)
    assert "another dimension" in the_finding(RULE, axis).message.en


def test_fires_on_kl_div_and_bce() -> None:
    assert "kl_div" in the_finding(RULE, with_call(RUN, "kl_div", input_max=0.7)).message.en
    bce = with_call(RUN, "binary_cross_entropy", unit_share=0.4, input_min=-2.0)
    assert "with_logits" in the_finding(RULE, bce).advice.en


@pytest.mark.parametrize("seed", range(12))
def test_clear_on_healthy_runs(seed: int) -> None:
    assert not findings_if_any(RULE, healthy_run(seed))


def test_clear_just_below_the_thresholds() -> None:
    assert not findings(RULE, with_call(RUN, "nll_loss", row_exp_error=0.19, input_max=0.009))
    assert findings(RULE, with_call(RUN, "nll_loss", row_exp_error=0.21))
    assert findings(RULE, with_call(RUN, "nll_loss", input_max=0.011))


def test_the_rows_of_kl_div_may_lie_in_any_dimension() -> None:
    assert not findings(RULE, with_call(RUN, "kl_div", row_exp_error=5.0))


def test_needs_two_check_ups() -> None:
    high = np.where(np.arange(len(AT)) < 1, 3.0, np.nan)
    assert not findings(RULE, with_call(RUN, "nll_loss", input_max=high, row_exp_error=np.nan))


def test_evidence_is_where_it_happened() -> None:
    error = np.where(np.arange(len(AT)) > 1, 3.0, 0.0)
    evidence = first_evidence(RULE, with_call(RUN, "nll_loss", row_exp_error=error))
    assert (evidence.column, evidence.first_step, evidence.last_step) == ("nll_loss", AT[2], AT[-1])


def test_not_evaluated_without_such_a_call() -> None:
    assert outcome(RULE, with_call(RUN, "cross_entropy")).verdict is Verdict.NOT_EVALUATED


def test_many_classes_have_no_probability_above_the_slack() -> None:
    soft = with_call(RUN, "kl_div", input_min=1e-6, input_max=4e-3, source=Source.OTHER)
    assert "kl_div" in the_finding(RULE, soft).message.en


def test_fires_on_raw_outputs_into_ctc() -> None:
    raw = with_call(RUN, "ctc_loss", source=Source.LINEAR, input_max=4.0, row_exp_error=60.0)
    assert "time, batch, classes" in the_finding(RULE, raw).advice.en
    assert not findings(RULE, with_call(RUN, "ctc_loss"))


def test_a_poisson_loss_is_told_whether_it_gets_the_rate_or_its_logarithm() -> None:
    rate = with_call(RUN, "poisson_nll_loss", source=Source.POSITIVE, form=Form.LOG_RATES)
    assert "the logarithm of a rate" in the_finding(RULE, rate).message.en
    below = with_call(RUN, "poisson_nll_loss", input_min=-2.0, form=Form.RATES)
    assert "never below 0" in the_finding(RULE, below).message.en
    assert not findings(RULE, with_call(RUN, "poisson_nll_loss", source=Source.LINEAR))
    right = with_call(
        RUN, "poisson_nll_loss", input_min=0.1, source=Source.POSITIVE, form=Form.RATES
    )
    assert not findings(RULE, right)


def test_a_call_whose_recorded_form_is_another_is_left_alone() -> None:
    run = with_call(RUN, "nll_loss", source=Source.LINEAR, row_exp_error=60.0, form=Form.SCORES)
    assert not findings(RULE, run)


def test_an_overlap_with_a_mask_takes_what_lies_between_0_and_1() -> None:
    raw = with_call(RUN, "dice_loss", unit_share=0.4, input_min=-9.0, input_max=7.0)
    assert "`dice_loss` expects probabilities" in the_finding(RULE, raw).message.en
    likely = with_call(RUN, "dice_loss", unit_share=1.0, input_min=0.0, input_max=1.0)
    assert not findings(RULE, likely)
