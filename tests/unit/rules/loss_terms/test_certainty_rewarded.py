from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from helpers.rule_asserts import findings, findings_if_any, first_evidence, the_finding
from made.changes import changed, head
from made.healthy import healthy_run
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.quantities import LOSS, LOSS_TERM, LOSS_WEIGHT
from tb_lossdiag.rules.loss_terms.certainty_rewarded import CertaintyRewarded
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = CertaintyRewarded()
RUN = healthy_run(1)


def paid(
    weight: float = -0.5,
    left: float = 0.01,
    sign: float = -1.0,
    names: tuple[str, str] = ("policy_loss", "entropy_loss"),
    said: float = 1.0,
) -> Run:
    """A policy's loss and an entropy of which so much is left, times a sign; the loss takes the weight so many times."""
    entropy = sign * 1.4 * left ** np.linspace(0, 1, len(RUN[LOSS]))
    policy = 0.01 * np.sin(np.arange(len(entropy)))
    run = changed(RUN, LOSS, policy + said * weight * entropy)
    run = changed(run, LOSS_TERM, np.stack([policy, entropy], axis=1), names)
    return changed(run, LOSS_WEIGHT, np.tile([1.0, weight], (len(entropy), 1)), names)


SICK = paid()


def test_says_what_became_of_the_entropy() -> None:
    finding = the_finding(RULE, SICK)
    assert finding.subject == "entropy_loss"
    assert "(weight -0.5)" in finding.message.en
    assert "from 1.37 to 0.0" in finding.message.en
    assert first_evidence(RULE, SICK).column == "entropy_loss"


@pytest.mark.parametrize(
    ("run", "fires"),
    [
        (paid(left=0.09), True),
        (paid(left=0.11), False),
        (paid(weight=0.5), False),
        (paid(weight=0.5, sign=1.0), True),
        (paid(weight=-0.01, sign=1.0), False),
        (paid(said=-1.0), False),  # declared with another sign than it has
        (paid(names=("policy_loss", "Entropy")), True),
    ],
)
def test_fires_where_entropy_is_paid_for(run: Run, *, fires: bool) -> None:
    assert bool(findings(RULE, run)) is fires


@pytest.mark.parametrize(
    "run",
    [
        paid(names=("main", "entropy")),  # no agent
        paid(names=("policy_loss", "cross_entropy")),
        paid(names=("policy_loss", "kl")),
        head(SICK, 19),
    ],
)
def test_not_evaluated_without_a_policys_entropy(run: Run) -> None:
    assert outcome(RULE, run).verdict is Verdict.NOT_EVALUATED


@pytest.mark.parametrize("seed", range(4))
def test_clear_on_healthy_runs(seed: int) -> None:
    assert not findings_if_any(RULE, replace(healthy_run(seed)))
