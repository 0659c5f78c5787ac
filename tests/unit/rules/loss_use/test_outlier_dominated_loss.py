from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from helpers.rule_asserts import findings, findings_if_any, first_evidence, the_finding
from made.changes import changed, without
from made.check_ups import check_steps
from made.healthy import healthy_run
from made.loss_calls import with_call
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.quantities import CALL_TARGET_MAX, CALL_TOP_SHARE, EXTRA, LOSS
from tb_lossdiag.rules.loss_use.outlier_dominated_loss import OutlierDominatedLoss
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = OutlierDominatedLoss()
RUN = healthy_run(1)
AT = check_steps(RUN[LOSS].steps)
CHECKS = np.arange(len(AT))
SICK = with_call(RUN, "mse_loss", top_share=0.8)


def test_fires_on_a_heavy_tail() -> None:
    finding = the_finding(RULE, with_call(RUN, "mse_loss", top_share=0.8))
    assert "80%" in finding.message.en
    assert "delta=0.1" in finding.advice.en  # a tenth of the targets' standard deviation


@pytest.mark.parametrize("seed", range(12))
def test_clear_on_healthy_runs(seed: int) -> None:
    assert not findings_if_any(RULE, healthy_run(seed))


def test_clear_just_below_share_and_factor() -> None:
    assert not findings(RULE, with_call(RUN, "mse_loss", top_share=0.49))
    assert findings(RULE, with_call(RUN, "mse_loss", top_share=0.51))
    assert not findings(RULE, with_call(RUN, "mse_loss", top_share=0.8, top_expected=0.28))
    assert findings(RULE, with_call(RUN, "mse_loss", top_share=0.8, top_expected=0.26))


def test_images_and_single_batches_are_not_this() -> None:
    assert not findings(RULE, with_call(RUN, "mse_loss", top_share=0.8, outputs=17))
    some = np.where(CHECKS < 4, 0.8, 0.1)
    assert not findings(RULE, with_call(RUN, "mse_loss", top_share=some))


def series(values: npt.ArrayLike) -> Run:
    """A call whose many outputs have such targets, with most of the loss in its worst hundredth."""
    targets = np.asarray(values, np.float64)
    ends = {"target_min": targets.min(), "target_max": targets.max()}
    moments = {"target_mean": targets.mean(), "target_std": targets.std()}
    return with_call(RUN, "mse_loss", top_share=0.9, outputs=40, **ends, **moments)


def test_a_long_series_may_have_outliers_too() -> None:
    waves = np.sin(np.arange(1280))
    assert findings(RULE, series(np.r_[waves, 60, 60]))
    assert findings(RULE, series(np.r_[waves, -60, -60]))
    assert findings(RULE, series(np.r_[waves, 10.0]))  # 13 standard deviations
    assert not findings(RULE, series(np.r_[waves, 7.0]))  # 9.5
    flat = without(series(np.r_[waves, 60]), CALL_TARGET_MAX)
    assert not findings(RULE, flat)


def test_pictures_and_heat_maps_have_a_background() -> None:
    across = np.linspace(-3, 3, 9)
    blob = np.exp(-(across[:, None] ** 2 + across[None] ** 2)).ravel()
    for few in (np.r_[np.zeros(4000), np.ones(4)], np.r_[np.zeros(12000), blob]):
        assert (few.max() - few.mean()) / few.std() > RULE.min_far
        assert not findings(RULE, series(few))


def test_what_is_rarer_than_one_in_a_batch_is_not_in_every_batch() -> None:
    for every, fires in ((3, True), (4, False)):
        some = np.where(CHECKS % every == 0, 0.8, 0.1)
        assert bool(findings(RULE, with_call(RUN, "mse_loss", top_share=some))) is fires


def test_an_agents_rewards_are_rare_by_design() -> None:
    agent = changed(SICK, EXTRA, 1.0, ("ep_rew_mean",))
    assert outcome(RULE, agent).verdict is Verdict.NOT_EVALUATED


def test_evidence_is_the_share() -> None:
    late = np.where(CHECKS > 2, 0.7, 0.1)
    evidence = first_evidence(RULE, with_call(RUN, "mse_loss", top_share=late))
    assert (evidence.quantity, evidence.column) == (CALL_TOP_SHARE.name, "mse_loss")
    assert (evidence.first_step, evidence.last_step) == (AT[3], AT[-1])


def test_not_evaluated_on_few_check_ups_or_another_loss() -> None:
    few = np.where(CHECKS < 3, 0.8, np.nan)
    assert outcome(RULE, with_call(RUN, "mse_loss", top_share=few)).verdict is Verdict.NOT_EVALUATED
    assert (
        outcome(RULE, with_call(RUN, "cross_entropy", top_share=0.8)).verdict
        is Verdict.NOT_EVALUATED
    )
