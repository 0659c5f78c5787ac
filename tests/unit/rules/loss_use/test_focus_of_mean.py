from __future__ import annotations

import numpy as np
import pytest

from helpers.rule_asserts import findings, findings_if_any, first_evidence, the_finding
from made.check_ups import check_steps, with_tables
from made.healthy import healthy_run
from made.loss_calls import with_call
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.quantities import FOCUS_OF_MEAN, LOSS
from tb_lossdiag.records import table
from tb_lossdiag.rules.loss_use.focus_of_mean import FocusOfMean
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = FocusOfMean()
PLAIN = with_call(healthy_run(1), "cross_entropy")
AT = check_steps(PLAIN[LOSS].steps)


def focused(checks: int, run: Run = PLAIN) -> Run:
    """The factor is of the mean of 64 in the first so many check-ups."""
    return with_tables(run, [table(FOCUS_OF_MEAN, AT[:checks], np.full(checks, 64.0))])


SICK = focused(len(AT))


def test_says_of_how_many_samples() -> None:
    message = the_finding(RULE, SICK).message.en
    assert f"In {len(AT)} check-ups" in message
    assert "the mean over 64 samples" in message
    assert first_evidence(RULE, SICK).quantity == FOCUS_OF_MEAN.name


@pytest.mark.parametrize(("checks", "fires"), [(2, False), (3, True)])
def test_a_trial_is_none(checks: int, fires: bool) -> None:
    assert bool(findings(RULE, focused(checks))) is fires


def test_clear_without_a_factor() -> None:
    assert not findings(RULE, PLAIN)


def test_a_loss_of_distances_has_none() -> None:
    assert outcome(RULE, with_call(healthy_run(1), "mse_loss")).verdict is Verdict.NOT_EVALUATED


@pytest.mark.parametrize("seed", range(6))
def test_clear_on_healthy_runs(seed: int) -> None:
    assert not findings_if_any(RULE, healthy_run(seed))
