from __future__ import annotations

import numpy as np
import pytest

from helpers.rule_asserts import findings, findings_if_any, first_evidence, the_finding
from made.check_ups import check_steps
from made.healthy import healthy_run
from made.loss_calls import with_call
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.quantities import CALL_INPUT_MAX, LOSS, Source
from tb_lossdiag.rules.loss_use.sigmoid_before_bce_with_logits import SigmoidBeforeBceWithLogits
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = SigmoidBeforeBceWithLogits()
RUN = healthy_run(1)
CHECKS = len(check_steps(RUN[LOSS].steps))


def inside(source: float = np.nan, **facts: float | np.ndarray) -> Run:
    seen = {"input_min": 0.1, "input_max": 0.9, "source": source, "target_mean": 0.5}
    return with_call(RUN, "binary_cross_entropy_with_logits", **(seen | facts))


SICK = inside(Source.SIGMOID, value=0.6)


@pytest.mark.parametrize("source", [Source.SIGMOID, Source.SOFTMAX, Source.OTHER, np.nan])
def test_fires_on_probabilities(source: float) -> None:
    assert "0.503" in the_finding(RULE, inside(source)).message.en  # (0.3133 + 0.6931) / 2


@pytest.mark.parametrize("seed", range(12))
def test_clear_on_healthy_runs(seed: int) -> None:
    assert not findings_if_any(RULE, healthy_run(seed))


def test_small_logits_at_the_start_are_not_this() -> None:
    later = np.where(np.arange(CHECKS) < 3, 0.1, -3.0)
    assert not findings(RULE, inside(input_min=later))
    assert not findings(RULE, inside(Source.LINEAR))
    assert not findings(RULE, inside(Source.RELU))


def test_values_alone_need_three_check_ups_and_some_spread() -> None:
    few = np.where(np.arange(CHECKS) < 2, 0.9, np.nan)
    assert not findings(RULE, inside(input_max=few))
    assert findings(RULE, inside(Source.SIGMOID, input_max=few))
    assert not findings(RULE, inside(input_min=0.500, input_max=0.519))
    assert findings(RULE, inside(input_min=0.500, input_max=0.521))


def test_evidence_is_the_check_ups_of_the_call() -> None:
    evidence, at = first_evidence(RULE, inside(Source.SIGMOID)), check_steps(RUN[LOSS].steps)
    column = "binary_cross_entropy_with_logits"
    assert (evidence.quantity, evidence.column) == (CALL_INPUT_MAX.name, column)
    assert (evidence.first_step, evidence.last_step) == (at[0], at[-1])


def test_not_evaluated_without_such_a_call() -> None:
    run = with_call(RUN, "binary_cross_entropy")
    assert outcome(RULE, run).verdict is Verdict.NOT_EVALUATED


def test_fires_on_every_loss_with_a_sigmoid_of_its_own() -> None:
    given = {"source": Source.SIGMOID, "input_min": 0.1, "input_max": 0.9}
    finding = the_finding(RULE, with_call(RUN, "soft_margin_loss", **given))
    assert finding.numbers["floor"] == pytest.approx(0.503, abs=1e-3)
    assert not findings(RULE, with_call(RUN, "soft_margin_loss"))
