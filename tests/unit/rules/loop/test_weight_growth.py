from __future__ import annotations

import numpy as np
import pytest

from helpers.rule_asserts import findings, first_evidence, the_finding
from made.changes import changed, head, optimized_by, stuck, with_loss, without
from made.healthy import healthy_run
from tb_lossdiag.analysis.runaway import Bounds
from tb_lossdiag.diagnosis.engine import Verdict, diagnose
from tb_lossdiag.quantities import (
    CALL_VALUE,
    LOSS_NONFINITE,
    PARAMETER_NORM,
    UPDATE_NORM,
    WEIGHT_DECAY,
)
from tb_lossdiag.rules.loop.weight_growth import WeightGrowth
from tb_lossdiag.rules.loss_curve.unbounded_loss import UnboundedLoss
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = WeightGrowth()
START = np.tile([4.0, 0.5], 3)
"""A root mean square of 1/16 for 4096 weights."""


def growing(factor: float, end: float = 1.0, start: float = 1.0) -> Run:
    """All norms grow by `factor` until the share `end` of the run, then stay."""
    place = np.minimum(np.arange(200) / 199 / end, 1.0)
    norms = start * START * (factor**place)[:, None]
    return changed(stuck(healthy_run(1, layers=3)), PARAMETER_NORM, norms)


SICK = growing(100.0)


def test_fires_and_names_the_layer() -> None:
    norms = growing(20)[PARAMETER_NORM].values.copy()
    norms[-5:, 2] *= 2
    finding = the_finding(RULE, changed(growing(20), PARAMETER_NORM, norms))
    assert finding.evidence[0].column == "body.1.weight"
    assert "still grows" in finding.message.en


def test_clear_just_below_growth_size_and_rise() -> None:
    assert findings(RULE, growing(11))
    assert not findings(RULE, growing(9.5))
    assert findings(RULE, growing(20, start=0.25))
    assert not findings(RULE, growing(20, start=0.2))
    assert not findings(RULE, growing(20, end=0.7))


def test_clear_when_the_growth_slows_down() -> None:
    for power, expected in ((0.6, 1), (0.35, 0)):
        norms = START * (1 + 20 * (np.arange(200) / 199) ** power)[:, None]
        norms[:3] = START
        assert len(findings(RULE, changed(healthy_run(1, layers=3), PARAMETER_NORM, norms))) == (
            expected
        )


def test_clear_where_most_of_the_loss_is_lost() -> None:
    """A linear regression whose true weights are large; a model that starts at N(0, 0.05)."""
    learned = with_loss(growing(20), np.geomspace(1, 0.18, 200))
    assert not findings(RULE, learned)
    assert findings(RULE, with_loss(growing(20), np.geomspace(1, 0.22, 200)))
    assert findings(RULE, changed(learned, LOSS_NONFINITE, np.r_[np.zeros(199), 1.0]))


def test_clear_on_weights_that_began_near_zero() -> None:
    assert not findings(RULE, growing(1e6, start=1e-3))


def test_clear_on_weights_that_are_all_first_step() -> None:
    run = growing(20)
    first = run[PARAMETER_NORM].values[0]
    assert not findings(RULE, changed(run, UPDATE_NORM, first[None]))
    assert findings(RULE, changed(run, UPDATE_NORM, 0.9 * first[None]))


@pytest.mark.parametrize(
    ("optimizer", "decay", "words"),
    [("SGD", 0.0, "optim.SGD"), ("Adam", 0.0, "optim.AdamW"), ("SGD", 1e-4, "Raise it tenfold")],
)
def test_advice_fits_the_optimizer(optimizer: str, decay: float, words: str) -> None:
    run = changed(optimized_by(growing(20), optimizer), WEIGHT_DECAY, decay)
    assert words in the_finding(RULE, run).advice.en


@pytest.mark.parametrize("seed", range(10))
def test_clear_on_healthy_runs(seed: int) -> None:
    assert not findings(RULE, healthy_run(seed))


def test_evidence_is_the_run() -> None:
    run = growing(20)
    evidence, steps = first_evidence(RULE, run), run[PARAMETER_NORM].steps
    assert evidence.quantity == PARAMETER_NORM.name
    assert (evidence.first_step, evidence.last_step) == (0, steps[-1])


def test_not_evaluated_on_few_or_no_norms() -> None:
    assert outcome(RULE, head(growing(20), 9)).verdict is Verdict.NOT_EVALUATED
    missing = outcome(RULE, without(growing(20), PARAMETER_NORM)).missing
    assert missing == (PARAMETER_NORM.name,)


FALL = 2 - 50 * np.linspace(0, 1, 200) ** 2


def test_says_so_where_the_loss_has_no_bottom_and_pays_for_it() -> None:
    """A critic without a leash: the loss falls because all weights grow, and would for ever."""
    run = without(with_loss(growing(20), FALL), CALL_VALUE)
    finding = the_finding(RULE, run)
    assert "pays for ever larger weights" in finding.message.en
    assert "slope" in finding.advice.en
    (cause,) = diagnose(run, [UnboundedLoss(), RULE]).causes
    assert cause.finding.code == "LD608"
    settling = with_loss(growing(20), 2 - 50 * np.sqrt(np.linspace(0, 1, 200)))
    assert "pays" not in the_finding(RULE, settling).message.en


@pytest.mark.parametrize("factor", [2.0, 9.5])
def test_a_loss_without_a_bottom_is_the_cause_where_weights_hardly_grow(factor: float) -> None:
    run = without(with_loss(growing(factor), FALL), CALL_VALUE)
    (cause,) = diagnose(run, [UnboundedLoss(), RULE]).causes
    assert cause.finding.code == "LD110"
    unknown = without(without(with_loss(growing(20), FALL), CALL_VALUE), PARAMETER_NORM)
    assert [c.finding.code for c in diagnose(unknown, [UnboundedLoss(), RULE]).causes] == ["LD110"]


def test_both_rules_know_a_runaway_by_the_same_bounds() -> None:
    assert RULE._bounds() == Bounds()
