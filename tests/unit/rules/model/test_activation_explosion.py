from __future__ import annotations

import numpy as np
import pytest

from helpers.rule_asserts import findings, findings_if_any, first_evidence, the_finding
from made.changes import changed, stuck, with_loss, without
from made.check_ups import check_steps
from made.healthy import healthy_run
from made.modules import with_modules
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import ACTIVATION_NONFINITE, ACTIVATION_STD, LOSS, LOSS_NONFINITE, Kind
from tb_lossdiag.rules.model.activation_explosion import ActivationExplosion
from tb_lossdiag.testing import outcome

RULE = ActivationExplosion()
WELL = with_loss(healthy_run(1), np.geomspace(1, 0.1, 200))
STUCK = stuck(WELL)
AT = check_steps(WELL[LOSS].steps)
KINDS = {"0": Kind.LINEAR, "1": Kind.RELU, "2": Kind.LINEAR, "3": Kind.RELU, "4": Kind.LINEAR}
SICK = with_modules(WELL, KINDS, activation_std=[1.0, 1.0, 200.0, 1.0, 1.0])


def test_fires_on_growth_over_depth_at_the_start() -> None:
    finding = the_finding(
        RULE, with_modules(WELL, KINDS, activation_std=[3.8, 2.4, 650.0, 360.0, 9.0])
    )
    assert finding.severity is Severity.WARNING
    assert finding.subject == "2"
    assert "170 times" in finding.message.en
    assert finding.evidence[0].last_step == AT[0]


def test_clear_just_below_the_growth_over_depth() -> None:
    for high, expected in ((99.0, 0), (101.0, 1)):
        run = with_modules(WELL, KINDS, activation_std=[1.0, 1.0, high, 1.0, 1.0])
        assert len(findings(RULE, run)) == expected


def test_output_and_activation_functions_are_not_hidden_layers() -> None:
    assert not findings(RULE, with_modules(WELL, KINDS, activation_std=[1.0, 1.0, 5.0, 1.0, 900.0]))


def test_large_inputs_are_not_growth() -> None:
    assert not findings(
        RULE, with_modules(WELL, KINDS, activation_std=[900.0, 500.0, 300.0, 200.0, 90.0])
    )


def test_each_watched_model_has_its_own_first_layer() -> None:
    kinds = {"G/0": Kind.LINEAR, "G/1": Kind.LINEAR, "D/0": Kind.LINEAR, "D/1": Kind.LINEAR}
    std = [0.1, 0.1, 20.0, 20.0]
    assert not findings(RULE, with_modules(WELL, kinds, activation_std=std))


def test_growth_is_named_rather_than_the_overflow_it_ends_in() -> None:
    std = np.ones((len(AT), 5))
    std[:, 2] = np.geomspace(0.05, 1e30, len(AT))
    broken = np.zeros((len(AT), 5))
    broken[-1, 4] = 7
    run = with_modules(STUCK, KINDS, activation_std=std, activation_nonfinite=broken)
    assert the_finding(RULE, run).subject == "2"


def test_growth_over_time_is_healthy_where_the_loss_falls() -> None:
    """Measured on digits: the last of 16 layers grows a thousandfold while the loss falls to 0.16."""
    std = np.ones((len(AT), 5))
    std[:, 2] = np.geomspace(0.05, 51, len(AT))
    assert not findings(RULE, with_modules(WELL, KINDS, activation_std=std))
    evidence = first_evidence(RULE, with_modules(STUCK, KINDS, activation_std=std))
    assert (evidence.quantity, evidence.column) == (ACTIVATION_STD.name, "2")
    assert (evidence.first_step, evidence.last_step) == (AT[-1], AT[-1]), "from when it is large"
    assert the_finding(RULE, with_modules(STUCK, KINDS, activation_std=std)).onset == AT[-1]


def test_a_layer_that_begins_at_nothing_counts_from_when_it_is_something() -> None:
    """The second matrix of an adapter, a branch whose last layer starts at zero."""
    std = np.ones((len(AT), 5))
    std[:, 2] = np.geomspace(1e-4, 4, len(AT))
    assert not findings(RULE, with_modules(STUCK, KINDS, activation_std=std))
    std[:, 2] = np.geomspace(1e-4, 40, len(AT))
    assert findings(RULE, with_modules(STUCK, KINDS, activation_std=std))


def test_it_says_what_the_loss_did() -> None:
    std = np.ones((len(AT), 5))
    std[:, 2] = np.geomspace(0.05, 60, len(AT))
    some = with_loss(healthy_run(1), np.linspace(1, 0.56, 200))
    grown = with_modules(some, KINDS, activation_std=std)
    assert "has lost only 4" in the_finding(RULE, grown).message.en
    broken = changed(grown, LOSS_NONFINITE, np.r_[np.zeros(199), 1.0])
    assert "became NaN" in the_finding(RULE, broken).message.en


def test_names_the_first_module_that_breaks() -> None:
    broken = np.zeros((len(AT), 5))
    broken[4:, 2:] = 7
    finding = the_finding(RULE, with_modules(WELL, KINDS, activation_nonfinite=broken))
    assert finding.severity is Severity.ERROR
    assert (finding.subject, finding.evidence[0].first_step) == ("2", AT[4])
    assert "the 2 modules called before it" in finding.message.en


def test_broken_from_the_first_module_on() -> None:
    given = np.full((len(AT), 5), 7.0)
    assert (
        "the input has them"
        in the_finding(RULE, with_modules(WELL, KINDS, activation_nonfinite=given)).message.en
    )
    given[:3] = 0  # weights that broke in training: a consequence
    assert not findings(RULE, with_modules(WELL, KINDS, activation_nonfinite=given))


def test_after_the_loss_broke_it_is_no_origin() -> None:
    broken = np.zeros((len(AT), 5))
    broken[4:, 2:] = 7
    run = with_modules(WELL, KINDS, activation_nonfinite=broken)
    earlier = changed(run, LOSS_NONFINITE, run[LOSS].steps > AT[3])
    assert not findings(RULE, earlier)


def test_modules_of_unknown_kind_may_mask_with_infinity() -> None:
    broken = np.zeros((len(AT), 5))
    broken[4:, 2] = 7
    kinds = KINDS | {"2": Kind.OTHER}
    assert not findings(RULE, with_modules(WELL, kinds, activation_nonfinite=broken))


@pytest.mark.parametrize("seed", range(12))
def test_clear_on_healthy_runs(seed: int) -> None:
    assert not findings_if_any(RULE, healthy_run(seed))


def test_not_evaluated_without_activations() -> None:
    unseen = with_modules(WELL, KINDS, activation_std=np.nan, activation_nonfinite=np.nan)
    assert outcome(RULE, unseen).verdict is Verdict.NOT_EVALUATED
    missing = outcome(RULE, without(WELL, ACTIVATION_NONFINITE)).missing
    assert missing == (ACTIVATION_NONFINITE.name,)


def test_what_broke_is_an_origin_where_broken_losses_are_not_recorded() -> None:
    broken = np.zeros((len(AT), 5))
    broken[4:, 2:] = 7
    run = without(with_modules(WELL, KINDS, activation_nonfinite=broken), LOSS_NONFINITE)
    assert the_finding(RULE, run).subject == "2"
