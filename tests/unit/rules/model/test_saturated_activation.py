from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from helpers.rule_asserts import alarms, findings, findings_if_any, first_evidence, the_finding
from made.changes import stuck, with_loss, without
from made.check_ups import check_steps
from made.healthy import healthy_run
from made.loss_calls import with_call
from made.modules import with_modules
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import LOSS, MODULE_KIND, SATURATED_SHARE, Kind
from tb_lossdiag.rules.model.saturated_activation import SaturatedActivation
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = SaturatedActivation()
WELL = with_loss(healthy_run(1), np.geomspace(1, 0.01, 200))
STUCK = stuck(WELL)
AT = check_steps(WELL[LOSS].steps)
CHECKS = np.arange(len(AT))
KINDS = {"0": Kind.LINEAR, "1": Kind.SATURATING, "2": Kind.LINEAR}


def saturated(share: npt.ArrayLike, run: Run = STUCK, kinds: dict[str, Kind] | None = None) -> Run:
    shares = np.full((len(AT), len(kinds or KINDS)), np.nan)
    shares[:, 1] = np.asarray(share)
    return with_modules(run, kinds or KINDS, saturated_share=shares)


SICK = saturated(0.9)


def test_fires_when_saturated_from_the_beginning() -> None:
    finding = the_finding(RULE, saturated(0.9))
    assert finding.severity is Severity.WARNING
    assert "from the first one on" in finding.message.en
    assert finding.subject == "1"


def test_fires_when_it_saturates_and_nothing_is_learned() -> None:
    finding = the_finding(RULE, saturated(np.where(CHECKS < 3, 0.0, 0.9)))
    assert "in a run that has not learned" in finding.message.en


def test_saturation_that_learning_brought_about_is_healthy() -> None:
    """Measured on digits: tanh layers end at 0.5 to 0.8 in runs whose loss goes to 0."""
    assert not findings(RULE, saturated(np.where(CHECKS < 3, 0.0, 0.8), WELL))
    assert the_finding(RULE, saturated(0.8, WELL)).severity is Severity.INFO


def test_a_loss_that_only_came_down_to_guessing_has_not_learned() -> None:
    """Measured: tanh layers with weights 30 times too large give 21.6 to 10.9 for ten classes."""
    guessing = with_call(saturated(0.9, WELL), "cross_entropy", value=10.9, baseline=2.3)
    assert the_finding(RULE, guessing).severity is Severity.WARNING
    better = with_call(saturated(0.9, WELL), "cross_entropy", value=0.9, baseline=2.3)
    assert the_finding(RULE, better).severity is Severity.INFO


@pytest.mark.parametrize("seed", range(12))
def test_clear_on_healthy_runs(seed: int) -> None:
    assert not findings_if_any(RULE, healthy_run(seed))


def test_clear_just_below_the_share() -> None:
    assert not findings(RULE, saturated(0.49))
    assert findings(RULE, saturated(0.51))


def test_outputs_and_gates_are_not_hidden() -> None:
    output = {"0": Kind.LINEAR, "1": Kind.SATURATING}
    gate = {"0": Kind.LINEAR, "1": Kind.SATURATING, "2": Kind.OTHER, "3": Kind.LINEAR}
    for kinds in (output, gate):
        assert not findings_if_any(RULE, saturated(0.9, kinds=kinds))
    dropped = {"0": Kind.LINEAR, "1": Kind.SATURATING, "2": Kind.DROPOUT, "3": Kind.LINEAR}
    assert findings(RULE, saturated(0.9, kinds=dropped))


def between(count: int, run: Run) -> Run:
    kinds = {"0": Kind.LINEAR}
    for index in range(count):
        kinds |= {f"{2 * index + 1}": Kind.SOFTMAX, f"{2 * index + 2}": Kind.LINEAR}
    return with_modules(run, kinds)


def test_softmax_between_layers() -> None:
    finding = the_finding(RULE, between(2, STUCK))
    assert finding.severity is Severity.WARNING
    assert "2 in all" in finding.message.en
    assert the_finding(RULE, between(1, STUCK)).severity is Severity.WARNING
    topics = with_loss(WELL, np.linspace(1, 0.87, 200))  # measured: 81 to 71
    assert not alarms(RULE, between(1, topics))
    assert alarms(RULE, between(2, topics))
    for count in (1, 2):  # a topic model's softmax, say
        assert not alarms(RULE, between(count, WELL))


def test_a_softmax_at_the_end_is_not_between() -> None:
    assert not findings_if_any(RULE, with_modules(STUCK, {"0": Kind.LINEAR, "1": Kind.SOFTMAX}))


def test_evidence_is_the_stretch_up_to_the_end() -> None:
    evidence = first_evidence(RULE, saturated(np.where(CHECKS < 3, 0.0, 0.9)))
    assert (evidence.quantity, evidence.column) == (SATURATED_SHARE.name, "1")
    assert (evidence.first_step, evidence.last_step) == (AT[3], AT[-1])


def test_not_evaluated_without_such_modules() -> None:
    assert outcome(RULE, without(STUCK, MODULE_KIND)).missing == (MODULE_KIND.name,)
    plain = with_modules(STUCK, {"0": Kind.LINEAR, "1": Kind.RELU, "2": Kind.LINEAR})
    assert outcome(RULE, plain).verdict is Verdict.NOT_EVALUATED
