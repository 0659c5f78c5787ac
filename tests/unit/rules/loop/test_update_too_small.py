from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from claims.check import untrue
from helpers.rule_asserts import findings, the_finding
from made.changes import changed, each_step, head, optimized_by, stuck, without
from made.healthy import healthy_run
from tb_lossdiag.diagnosis.engine import Verdict, diagnose
from tb_lossdiag.quantities import (
    CLIP_GLOBAL_NORM,
    CLIP_MAX_NORM,
    GRADIENT_NORM,
    LEARNING_RATE,
    LOSS,
    LOSS_NONFINITE,
    MOMENTUM,
    PARAMETER_NORM,
    UPDATE_NORM,
)
from tb_lossdiag.rules.loop.update_too_small import UpdateTooSmall
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = UpdateTooSmall()


def sick(optimizer: str, lr: float) -> Run:
    """Ratio = lr for SGD (gradient = weights, momentum 0, no clip), lr x 64 / 4 for Adam."""
    run = changed(stuck(healthy_run(0, optimizer=optimizer)), LEARNING_RATE, np.full(200, lr))
    run = without(run, UPDATE_NORM, MOMENTUM, CLIP_GLOBAL_NORM, CLIP_MAX_NORM)
    same = np.full(run[PARAMETER_NORM].values.shape, 4.0)
    return changed(changed(run, PARAMETER_NORM, same), GRADIENT_NORM, same)


@pytest.mark.parametrize(("optimizer", "lr"), [("SGD", 9e-6), ("Adam", 6e-7), ("AdamW", 6e-7)])
def test_fires_below_and_is_clear_above_the_ratio(optimizer: str, lr: float) -> None:
    assert optimizer[:3] in the_finding(RULE, sick(optimizer, lr)).advice.en
    assert not findings(RULE, sick(optimizer, 1.2 * lr))


def test_momentum_and_clip_count_for_sgd() -> None:
    run = sick("SGD", 9e-6)
    whole = healthy_run(0, optimizer="SGD")
    fast = Run("r", {**run.tables, MOMENTUM.name: whole[MOMENTUM]}, run.facts)
    assert not findings(RULE, fast)
    names = (CLIP_GLOBAL_NORM, CLIP_MAX_NORM)
    slow = {**run.tables, **{q.name: whole[q] for q in names}}
    clipped = changed(Run("r", slow, run.facts), CLIP_GLOBAL_NORM, np.full(200, 100.0))
    clipped = changed(clipped, LEARNING_RATE, np.full(200, 9e-5))
    assert not findings(RULE, changed(clipped, CLIP_MAX_NORM, np.full(200, 100.0)))
    assert findings(RULE, changed(clipped, CLIP_MAX_NORM, np.full(200, 1.0)))


def test_a_vanished_gradient_makes_adam_small_too() -> None:
    run = sick("Adam", 1e-3)
    assert not findings(RULE, run)
    assert findings(RULE, changed(run, GRADIENT_NORM, np.full(200, 1e-12)))


def test_a_zero_rate_is_said() -> None:
    assert "learning rate is 0" in the_finding(RULE, sick("SGD", 0.0)).advice.en


@pytest.mark.parametrize("seed", range(20))
def test_clear_on_healthy_runs(seed: int) -> None:
    assert not findings(RULE, healthy_run(seed))


def test_clear_once_learned_and_at_the_end_of_a_schedule() -> None:
    learned = changed(
        without(healthy_run(0, optimizer="SGD"), UPDATE_NORM), LEARNING_RATE, np.full(200, 1e-9)
    )
    assert not findings(RULE, learned)
    ended = np.where(np.arange(200) < 120, 1e-2, 0.0)
    assert not findings(RULE, changed(sick("SGD", 1.0), LEARNING_RATE, ended))


def test_clear_on_a_network_that_large_steps_have_broken() -> None:
    grown = np.where(np.arange(200) < 5, 4.0, 13.0)
    assert not findings(RULE, changed(sick("SGD", 9e-6), PARAMETER_NORM, grown))


def recorded(ratio: float) -> Run:
    """The applied change was recorded now and then."""
    run = stuck(healthy_run(0, optimizer="Shampoo"))
    return changed(run, UPDATE_NORM, ratio * run[PARAMETER_NORM].values[:1])


SICK = changed(recorded(9e-6), LEARNING_RATE, 1e-9)


def test_the_recorded_change_decides_whatever_the_optimizer() -> None:
    evidence = the_finding(RULE, recorded(9e-6)).evidence[0]
    assert evidence.quantity == UPDATE_NORM.name
    assert not findings(RULE, recorded(1.2e-5))


def test_no_change_at_all_is_not_a_small_one() -> None:
    assert findings(RULE, recorded(1e-12))
    assert not findings(RULE, recorded(0.0))
    assert findings(RULE, changed(recorded(0.0), LEARNING_RATE, 0.0))


def test_evidence_is_the_stretch() -> None:
    rates = np.where(np.arange(200) < 50, 1e-2, 1e-9)
    run = changed(sick("SGD", 1.0), LEARNING_RATE, rates)
    finding, steps = the_finding(RULE, run), run[LEARNING_RATE].steps
    assert [piece.quantity for piece in finding.evidence] == [
        PARAMETER_NORM.name,
        LEARNING_RATE.name,
    ]
    assert (finding.first_step, finding.last_step) == (steps[50], steps[-1])


@pytest.mark.parametrize("optimizer", ["", "Shampoo", "SGD, Adam"])
def test_not_evaluated_for_an_unknown_formula(optimizer: str) -> None:
    run = optimized_by(sick("SGD", 1e-9), optimizer)
    assert outcome(RULE, run).verdict is Verdict.NOT_EVALUATED


def test_not_evaluated_without_change_and_rate_or_on_a_short_run() -> None:
    nothing = outcome(RULE, without(sick("SGD", 1e-9), LEARNING_RATE))
    assert nothing.verdict is Verdict.NOT_EVALUATED
    assert nothing.reason is not None
    assert "watch" in nothing.reason.en
    short = head(each_step(sick("SGD", 1e-9)), 20)
    assert outcome(RULE, short).verdict is Verdict.NOT_EVALUATED
    assert outcome(RULE, without(healthy_run(0), PARAMETER_NORM)).missing == (PARAMETER_NORM.name,)


def test_the_recorded_change_needs_no_rate() -> None:
    finding = the_finding(RULE, without(recorded(9e-6), LEARNING_RATE))
    assert [piece.quantity for piece in finding.evidence] == [UPDATE_NORM.name]
    assert finding.advice.en != the_finding(RULE, recorded(9e-6)).advice.en
    assert not findings(RULE, without(recorded(0.0), LEARNING_RATE))


def long(lr: float, fall: float = 0.0, every: int = 4, records: int = 200) -> Run:
    """So many records, `every` steps apart, of a ratio of `lr` and a noisy loss that falls by this share of it."""
    run = head(sick("SGD", lr), records)
    noise = np.random.default_rng(0).normal(0, 0.02, records)
    run = changed(run, LOSS, 2.3 * (1 - fall * np.linspace(0, 1, records) + noise))
    run = without(run, *(each for each in (LOSS_NONFINITE,) if each in run))
    apart = {
        name: replace(each, steps=every * (each.steps // 10)) for name, each in run.tables.items()
    }
    return replace(run, tables=apart)


def test_all_steps_together_that_went_nowhere_are_too_small() -> None:
    """800 steps of 1.2e-5 of the weights: none below the bound, and a hundredth of the way all the same."""
    finding = the_finding(RULE, long(1.2e-5))
    assert "All 796 steps together take it no further than 1%" in finding.message.en
    assert not findings(RULE, long(1.3e-5))  # 1.03 %
    assert not findings(RULE, long(1.2e-5, every=2))  # 398 steps
    assert not untrue(long(1.2e-5), diagnose(long(1.2e-5), [RULE]))


def test_small_steps_that_bring_something_are_none() -> None:
    assert findings(RULE, long(1.2e-5, fall=0.005))
    assert not findings(RULE, long(1.2e-5, fall=0.06))
    below = long(1.2e-5)
    assert not findings(RULE, changed(below, LOSS, below[LOSS].values - 2.3))


def test_nothing_is_said_of_agents_warm_ups_and_what_was_resumed() -> None:
    run = long(1.2e-5)
    rising = np.full(200, 1.2e-5) * np.linspace(0.01, 1.99, 200)
    warm = outcome(RULE, changed(run, LEARNING_RATE, rising))
    assert warm.verdict is Verdict.NOT_EVALUATED
    assert not findings(RULE, replace(run, facts={**run.facts, "agent": "PPO"}))
    late = {name: replace(each, steps=each.steps + 9000) for name, each in run.tables.items()}
    assert outcome(RULE, replace(run, tables=late)).verdict is Verdict.NOT_EVALUATED
