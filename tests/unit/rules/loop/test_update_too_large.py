from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from helpers.rule_asserts import findings, first_evidence, the_finding
from made.changes import (
    changed,
    each_step,
    head,
    optimized_by,
    with_divergence,
    with_loss,
    with_update_ratio,
    without,
)
from made.check_ups import with_tables
from made.healthy import healthy_run
from made.loss_calls import with_call
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import (
    CALL_TARGET_MEAN,
    CALL_TARGET_STD,
    CLIP_GLOBAL_NORM,
    CLIP_MAX_NORM,
    GRADIENT_NORM,
    LEARNING_RATE,
    LOSS,
    MOMENTUM,
    PARAMETER_NORM,
    PARAMETER_SIZE,
    PARAMETER_TRAINABLE,
    STEPS,
    UPDATE_NORM,
)
from tb_lossdiag.records import table
from tb_lossdiag.rules.loop.update_too_large import UpdateTooLarge
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = UpdateTooLarge()
SICK = with_update_ratio(healthy_run(1, optimizer="SGD"), 0.2, slice(20, 40))


@pytest.mark.parametrize("seed", range(5))
def test_fires_on_large_steps(seed: int) -> None:
    finding = the_finding(RULE, with_update_ratio(healthy_run(seed), 0.2, slice(20, 40)))
    assert finding.severity is Severity.WARNING
    assert "by a factor of 70" in finding.advice.en


def test_smaller_steps_count_when_the_loss_diverges() -> None:
    run = with_update_ratio(healthy_run(0), 0.02)
    assert not findings(RULE, run)
    finding = the_finding(RULE, with_divergence(run, 100, 8))
    assert finding.severity is Severity.ERROR


def test_smaller_steps_count_when_the_loss_jumps_and_never_falls() -> None:
    run = with_update_ratio(healthy_run(0), 0.02)
    jumping = 2 * np.random.default_rng(0).lognormal(0, 0.5, 200)
    assert findings(RULE, with_loss(run, jumping))


@pytest.mark.parametrize("seed", range(20))
def test_clear_on_healthy_runs(seed: int) -> None:
    assert not findings(RULE, healthy_run(seed))


def test_clear_just_below_ratio_and_length() -> None:
    assert not findings(RULE, with_update_ratio(healthy_run(0), 0.095))
    assert findings(RULE, with_update_ratio(healthy_run(0), 0.105))
    assert not findings(RULE, with_update_ratio(healthy_run(0), 0.2, slice(20, 24)))


def with_plain_sgd(run: Run, ratio: float) -> Run:
    """The run under SGD without momentum, whose steps are `ratio` of the weights but never change their norm."""
    still = each_step(changed(run, PARAMETER_NORM, run[PARAMETER_NORM].values[:1]))
    steps = changed(still, GRADIENT_NORM, ratio * still[PARAMETER_NORM].values)
    bare = changed(changed(steps, LEARNING_RATE, 1.0), MOMENTUM, 0.0)
    return optimized_by(without(bare, UPDATE_NORM, CLIP_GLOBAL_NORM, CLIP_MAX_NORM), "SGD")


def test_steps_of_plain_sgd_are_seen_though_the_norm_stands_still() -> None:
    assert findings(RULE, with_plain_sgd(healthy_run(0), 0.2))
    assert not findings(RULE, with_plain_sgd(healthy_run(0), 0.09))
    assert not findings(RULE, optimized_by(with_plain_sgd(healthy_run(0), 0.2), "Adam"))


def with_recorded_steps(run: Run, ratios: object) -> Run:
    """The applied change was recorded at the check-ups, with these ratios; the norms stand still."""
    still = changed(run, PARAMETER_NORM, run[PARAMETER_NORM].values[:1])
    weights = still[PARAMETER_NORM].values[:1].astype(float)
    each = np.broadcast_to(np.asarray(ratios, float), len(still[UPDATE_NORM]))
    return changed(still, UPDATE_NORM, each[:, None] * weights)


def test_recorded_steps_are_seen_though_the_norm_stands_still() -> None:
    finding = the_finding(RULE, with_recorded_steps(healthy_run(0), 0.11))
    assert finding.evidence[0].quantity == UPDATE_NORM.name
    assert "at least" not in finding.message.en
    assert not findings(RULE, with_recorded_steps(healthy_run(0), 0.09))


def test_large_first_steps_count_only_if_the_loss_never_gets_better() -> None:
    run = each_step(healthy_run(0))
    first = np.where(run[UPDATE_NORM].steps < 20, 0.5, 0.01)
    assert not findings(RULE, with_recorded_steps(run, first))
    broken = with_loss(with_recorded_steps(run, first), np.full(200, 2.3))
    assert the_finding(RULE, broken).severity is Severity.ERROR


def replaced(
    ratio: npt.ArrayLike, loss: npt.ArrayLike, apart: int = 1, norm: float = np.nan
) -> Run:
    """The first three recorded changes have this ratio, each or one by one, the later ones are small; they lie so far apart.

    Every weight matrix has this norm, if any (8 is usual for 4096 elements).
    """
    run = each_step(healthy_run(0))
    at = run[UPDATE_NORM].steps
    own = run[PARAMETER_NORM].values[:1].astype(float)
    weights = own if np.isnan(norm) else np.full_like(own, norm)
    still = changed(run, PARAMETER_NORM, weights)
    steps = np.r_[np.arange(3) * apart, at[at > 3 * apart]]
    ratios = np.full(len(steps), 1e-3)
    ratios[:3] = ratio
    names = run[UPDATE_NORM].columns
    still = with_tables(still, [table(UPDATE_NORM, steps, ratios[:, None] * weights, names)])
    return with_loss(still, np.broadcast_to(loss, 200))


SLOW = np.linspace(3.7, 2.2, 200)


def test_first_steps_that_replace_the_weights_count_where_the_run_does_not_get_over_them() -> None:
    finding = the_finding(RULE, replaced(0.5, SLOW))
    assert finding.severity is Severity.WARNING
    assert "moved the typical weight matrix by 1.5 times its norm" in finding.message.en
    assert "lost only" in finding.message.en
    assert "by a factor of 20" in finding.advice.en
    assert findings(RULE, replaced(0.34, SLOW))
    assert not findings(RULE, replaced(0.32, SLOW))


def test_one_step_at_right_angles_that_leaves_nothing() -> None:
    """What is measured is the norm after it, which is that of the step itself: the network is dead then, and moves no more."""
    assert "by 0.92 times" in the_finding(RULE, replaced([0.92, 0, 0], SLOW)).message.en
    assert not findings(RULE, replaced([0.88, 0, 0], SLOW))
    assert not findings(RULE, replaced([0, 0.92, 0], SLOW))
    assert not findings(RULE, replaced([0.92, 0, 0], np.linspace(1, 0.1, 200)))


@pytest.mark.parametrize(("end", "expected"), [(0.45, 0), (0.55, 1)])
def test_who_has_lost_half_of_it_got_over_the_first_steps(end: float, expected: int) -> None:
    loss = np.r_[np.ones(3), np.linspace(1, end, 150), np.full(47, end)]
    assert len(findings(RULE, replaced(0.5, loss))) == expected


def test_first_steps_of_a_loss_that_tells_nothing() -> None:
    untold = np.linspace(1e-3, -1e-3, 200)
    unknown = replaced(0.5, untold, norm=8.0)
    assert "lost only" not in the_finding(RULE, unknown).message.en
    assert the_finding(RULE, unknown).severity is Severity.INFO
    alone = replaced([0.92, 0, 0], untold, norm=8.0)
    assert the_finding(RULE, alone).severity is Severity.WARNING
    assert findings(RULE, head(unknown, 6))
    assert not findings(RULE, head(unknown, 5))


def test_first_steps_that_are_large_beside_small_weights_alone() -> None:
    """A table that begins at 0.05 has no scale that a step could spoil, unless the loss says so."""
    untold = np.linspace(1e-3, -1e-3, 200)
    assert not findings(RULE, replaced([0.92, 0, 0], untold, norm=3.0))
    assert findings(RULE, replaced([0.92, 0, 0], untold, norm=9.0))
    assert findings(RULE, replaced([0.92, 0, 0], SLOW, norm=3.0))


def test_what_began_at_nothing_is_told_from_its_first_record_that_holds_a_step() -> None:
    """Norm 0.6 before a step of 1.2 at right angles: 1.34 after it, which no longer looks like nothing."""
    run = replaced([1.2 / 1.34, 0.4, 0.2], SLOW, norm=1.34)
    assert not findings(RULE, run)
    assert findings(RULE, replaced([1.0 / 1.34, 0.4, 0.2], SLOW, norm=1.34))


@pytest.mark.parametrize(("apart", "expected"), [(9, 1), (10, 0)])
def test_changes_that_lie_apart_are_no_first_steps(apart: int, expected: int) -> None:
    assert len(findings(RULE, replaced(0.5, SLOW, apart))) == expected


def headed(trained: int, loss: npt.ArrayLike = 2.3) -> Run:
    """Of eight weight matrices so many are trained, each by a fifth of its small norm (1; 8 is usual) at first."""
    run = replaced(0.5, loss)
    sizes = [c for c in run[PARAMETER_SIZE].columns if c.endswith(".weight")]
    names = (*sizes, *(f"trunk.{k}.weight" for k in range(8 - len(sizes))))
    held = np.array([[1.0] * trained + [0.0] * (len(names) - trained)])
    norms = np.where(held > 0, 1.0, np.nan) * np.ones((len(run[PARAMETER_NORM]), 1))
    steps = run[UPDATE_NORM].steps
    moves = np.where(np.arange(len(steps)) < 3, 0.3, 1e-3)[:, None] * np.where(
        held > 0, 1.0, np.nan
    )
    return with_tables(
        run,
        [
            table(PARAMETER_SIZE, [0], np.full((1, len(names)), 4096.0), names),
            table(PARAMETER_TRAINABLE, [0], held, names),
            table(PARAMETER_NORM, run[PARAMETER_NORM].steps, norms, names),
            table(UPDATE_NORM, steps, moves, names),
        ],
    )


@pytest.mark.parametrize(("trained", "expected"), [(1, 0), (2, 0), (3, 1), (8, 1)])
def test_a_small_head_on_what_is_frozen_has_no_scale_of_its_own(
    trained: int, expected: int
) -> None:
    assert len(findings(RULE, headed(trained))) == expected
    assert len(findings(RULE, without(headed(trained), PARAMETER_TRAINABLE))) == 1


def test_a_model_that_joins_later_settles_as_well() -> None:
    run = each_step(healthy_run(0))
    steps, norms = (
        run[UPDATE_NORM].steps,
        run[PARAMETER_NORM].at(run[UPDATE_NORM].steps, run[UPDATE_NORM].columns),
    )
    first = np.where(steps - steps[10] < 20, 0.5, 1e-3)[:, None] * norms
    first[:10] = np.nan
    assert not findings(RULE, changed(run, UPDATE_NORM, first))
    always = np.where(np.isnan(first), np.nan, 0.5 * norms)
    assert findings(RULE, changed(run, UPDATE_NORM, always))


def thrown(growth: float, loss: float = 2.3, within: int = 30) -> Run:
    """Within so many steps the weights grow by `growth`; the loss stays where it was."""
    run = each_step(healthy_run(0))
    grown = np.geomspace(1, growth, within)[np.minimum(np.arange(200), within - 1)]
    run = changed(run, PARAMETER_NORM, run[PARAMETER_NORM].values[:1] * grown[:, None])
    small = changed(run, UPDATE_NORM, 1e-4 * run[UPDATE_NORM].values)
    return with_loss(small, np.r_[2.3, np.full(199, loss)])


def test_weights_thrown_away_by_the_first_steps() -> None:
    finding = the_finding(RULE, thrown(3.2))
    assert finding.severity is Severity.ERROR
    assert "threw" in finding.message.en
    assert not findings(RULE, thrown(2.8))
    assert not findings(RULE, thrown(3.2, loss=0.2))


@pytest.mark.parametrize(("within", "thrown_at_once"), [(40, True), (44, False), (200, False)])
def test_weights_that_grow_all_along_were_thrown_by_no_first_step(
    within: int, thrown_at_once: bool
) -> None:
    finding = the_finding(RULE, thrown(10.0, within=within))
    assert ("threw" in finding.message.en) is thrown_at_once
    assert (finding.severity is Severity.ERROR) is thrown_at_once


@pytest.mark.parametrize(
    ("models", "blamed"),
    [(("d", "g"), False), (("discriminator", "generator"), False), (("encoder", "head"), True)],
)
def test_a_player_s_loss_rises_as_the_other_s_falls(models: tuple[str, ...], blamed: bool) -> None:
    run = thrown(10.0)
    several = table(STEPS, run[LOSS].steps, np.ones((200, 2)), models)
    assert bool(findings(RULE, with_tables(run, [several]))) is blamed


def test_zero_initialised_weights_are_left_out() -> None:
    run = with_update_ratio(healthy_run(0), 0.2, slice(20, 40))
    tiny = changed(run, PARAMETER_NORM, 1e-6 * run[PARAMETER_NORM].values[:45].max() * np.ones(200))
    assert outcome(RULE, tiny).verdict is Verdict.NOT_EVALUATED


def from_nothing(steps_of: npt.ArrayLike, loss: npt.ArrayLike, scale: float = 0.0) -> Run:
    """Adapters: every matrix starts at `scale` and moves by these shares of a usual norm (8 for 4096 elements) per step, evenly."""
    run = each_step(healthy_run(0))
    moves = np.broadcast_to(np.asarray(steps_of, float), 200) * 8
    norms = np.ones_like(run[PARAMETER_NORM].values) * (scale + np.cumsum(moves))[:, None]
    run = changed(run, PARAMETER_NORM, norms)
    at = run[UPDATE_NORM].steps
    return with_loss(changed(run, UPDATE_NORM, moves[at]), np.broadcast_to(loss, 200))


def test_matrices_that_start_at_nothing_are_compared_with_a_usual_norm() -> None:
    """The first steps of an adapter's second matrix are all of what it is: 1, 1/2, 1/3 … of its norm."""
    slow = np.linspace(1.6, 1.58, 200)
    assert not findings(RULE, from_nothing(1e-3, slow))
    assert not findings(RULE, from_nothing(1e-3, slow, 0.5))
    large = np.where(np.arange(200) < 40, 0.15, 0.0)
    assert the_finding(RULE, from_nothing(large, slow)).severity is Severity.ERROR
    ordinary = the_finding(RULE, from_nothing(0.1, slow, 1.0))
    assert ordinary.severity is Severity.ERROR


def test_the_norm_of_what_starts_at_nothing_is_a_bound_as_well() -> None:
    slow = np.linspace(1.6, 1.58, 200)
    bare = without(from_nothing(1e-3, slow), UPDATE_NORM)
    assert not findings(RULE, bare)
    assert findings(RULE, without(from_nothing(0.2, slow), UPDATE_NORM))


def test_first_steps_are_not_blamed_before_the_loss_could_fall() -> None:
    run = each_step(healthy_run(0))
    first = np.where(run[UPDATE_NORM].steps < 20, 0.5, 0.01)
    broken = with_loss(with_recorded_steps(run, first), np.full(200, 2.3))
    assert not findings(RULE, head(broken, 40))
    assert findings(RULE, head(broken, 41))


def of_an_agent(targets: npt.ArrayLike, loss: npt.ArrayLike = 2.3) -> Run:
    """Large first steps, a loss that never falls, and targets that a second network makes."""
    run = with_recorded_steps(each_step(healthy_run(0)), 0.02)
    first = np.where(run[UPDATE_NORM].steps < 20, 0.5, 0.01)
    run = with_loss(with_recorded_steps(run, first), np.broadcast_to(loss, 200))
    run = with_call(run, "mse_loss")
    at = run[CALL_TARGET_MEAN].steps
    run = changed(run, CALL_TARGET_MEAN, np.broadcast_to(targets, len(at)))
    return changed(run, CALL_TARGET_STD, 0.1)


def test_a_loss_that_grows_with_the_returns_is_no_harm() -> None:
    checks = len(of_an_agent(1.0)[CALL_TARGET_MEAN])
    grown = np.linspace(1, 15, checks)
    assert not findings(RULE, of_an_agent(grown))
    assert findings(RULE, of_an_agent(grown, np.linspace(2.3, 600, 200))), "values run away"
    assert findings(RULE, of_an_agent(1.0)), "nothing has grown"


def test_it_says_what_the_loss_does() -> None:
    flat = from_nothing(0.1, np.linspace(1.6, 1.58, 200), 1.0)
    assert "the loss is no better than at the start" in the_finding(RULE, flat).message.en
    run = with_divergence(with_update_ratio(healthy_run(0), 0.02), 100, 8)
    assert "left its best level" in the_finding(RULE, run).message.en


@pytest.mark.parametrize(("optimizer", "word"), [("SGD", "clipping"), ("Adam", "does not help")])
def test_advice_fits_the_optimizer(optimizer: str, word: str) -> None:
    run = optimized_by(with_update_ratio(healthy_run(0), 0.2), optimizer)
    assert word in the_finding(RULE, run).advice.en


def test_evidence_is_a_layer_and_the_stretch() -> None:
    evidence = first_evidence(RULE, with_update_ratio(healthy_run(0), 0.2, slice(20, 40)))
    assert evidence.quantity == PARAMETER_NORM.name
    assert evidence.column.endswith(".weight")
    assert (evidence.first_step, evidence.last_step) == (21, 40)


def test_not_evaluated_on_few_or_no_norms() -> None:
    assert outcome(RULE, head(healthy_run(0), 2)).verdict is Verdict.NOT_EVALUATED
    missing = outcome(RULE, without(healthy_run(0), PARAMETER_NORM)).missing
    assert missing == (PARAMETER_NORM.name,)
    assert findings(RULE, without(with_update_ratio(healthy_run(0), 0.2), LOSS))
