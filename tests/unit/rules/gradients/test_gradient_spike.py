from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from helpers.rule_asserts import findings, the_finding
from made.changes import changed, falling, head, optimized_by, with_loss, without
from made.check_ups import with_tables
from made.healthy import healthy_run
from made.loss_calls import with_call
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import (
    CLIP_GLOBAL_NORM,
    CLIP_MAX_NORM,
    EXTRA,
    GRADIENT_NORM,
    LOSS,
    PARAMETER_ROLE,
    Role,
)
from tb_lossdiag.records import table
from tb_lossdiag.rules.gradients.gradient_spike import GradientSpike
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = GradientSpike()
RUN = without(healthy_run(1, layers=4), CLIP_GLOBAL_NORM, CLIP_MAX_NORM)
THREE = {80: 100.0, 120: 100.0, 160: 100.0}


def with_gradient_spikes(run: Run, at: Mapping[int, float], columns: slice = slice(None)) -> Run:
    """All gradients are 0.1 with a little noise; at these records those of `columns` are multiplied."""
    rng = np.random.default_rng(0)
    values = 0.1 * rng.lognormal(0, 0.2, run[GRADIENT_NORM].values.shape)
    for record, factor in at.items():
        values[record, columns] *= factor
    return changed(run, GRADIENT_NORM, values)


SICK = with_gradient_spikes(healthy_run(1, layers=4), THREE)


def test_three_are_a_warning_one_is_worth_knowing() -> None:
    assert the_finding(RULE, with_gradient_spikes(RUN, THREE)).severity is Severity.WARNING
    assert the_finding(RULE, with_gradient_spikes(RUN, {120: 100.0})).severity is Severity.INFO


def test_a_small_part_of_all_gradients_may_jump() -> None:
    """Eight parameters of 0.1 make 0.28 together: one of 0.003 that jumps a hundredfold makes the step no larger."""
    small = with_gradient_spikes(RUN, THREE, slice(2, 3))
    assert the_finding(RULE, small).severity is Severity.WARNING
    values = small[GRADIENT_NORM].values.copy()
    values[:, 2] *= 0.03
    finding = the_finding(RULE, changed(small, GRADIENT_NORM, values))
    assert finding.severity is Severity.INFO
    assert "together was no more than 1.6 times its level" in finding.message.en
    assert "clip these parameters by themselves" in finding.advice.en


def test_clips_are_said_where_all_jumps_were_clipped() -> None:
    """One jump of all gradients is clipped, one of a small parameter is not: neither every one, nor the small ones alone."""
    values = with_gradient_spikes(RUN, {80: 100.0})[GRADIENT_NORM].values.copy()
    values[:, 2] *= 0.03
    values[120, 2] *= 100
    steps = RUN[GRADIENT_NORM].steps
    clipped = with_tables(
        changed(RUN, GRADIENT_NORM, values),
        [
            table(
                CLIP_GLOBAL_NORM, steps, np.where(np.arange(len(steps)) == 80, 30.0, 0.3)[:, None]
            ),
            table(CLIP_MAX_NORM, steps, np.ones((len(steps), 1))),
        ],
    )
    finding = the_finding(RULE, clipped)
    assert finding.severity is Severity.INFO
    assert "every one of them" not in finding.message.en
    assert "together was no more" not in finding.message.en


def test_an_agents_targets_jump_so_its_gradients_may() -> None:
    """Each copy of a target network, and each turn for the better, moves what the values are compared with."""
    agent = changed(SICK, EXTRA, np.ones((len(SICK[GRADIENT_NORM]), 1)), ("reward",))
    assert the_finding(RULE, agent).severity is Severity.INFO
    assert the_finding(RULE, SICK).severity is Severity.WARNING


def test_values_that_are_made_in_rounds_jump_with_them() -> None:
    count = len(with_call(SICK, "mse_loss").tables["call_target_mean"])
    rounds = np.arange(count) < count // 2
    for moved, severity in ((0.4, Severity.WARNING), (0.6, Severity.INFO)):
        means = np.where(rounds, 0.0, moved)
        run = with_call(SICK, "mse_loss", target_mean=means, target_std=1.0)
        assert the_finding(RULE, run).severity is severity


def test_names_the_layers_that_jumped() -> None:
    finding = the_finding(RULE, with_gradient_spikes(RUN, {120: 100.0}, slice(2, 3)))
    assert finding.subject == "body.1.weight"
    assert "1 of 8 parameters" in finding.message.en
    assert "Only `body.1.weight` jumped" in finding.advice.en
    everywhere = the_finding(RULE, with_gradient_spikes(RUN, {120: 100.0}))
    assert "Most layers jumped together" in everywhere.advice.en


@pytest.mark.parametrize(
    ("roles", "embedded"),
    [
        ((Role.EMBEDDING, Role.WEIGHT), True),
        ((Role.EMBEDDING, Role.NORM), True),
        ((Role.NORM, Role.NORM), False),
        ((Role.WEIGHT, Role.EMBEDDING), False),
    ],
)
def test_where_only_the_embedding_jumps_it_says_so(
    roles: tuple[Role, Role], embedded: bool
) -> None:
    run = with_gradient_spikes(RUN, THREE, slice(0, 1 if Role.WEIGHT is roles[1] else 2))
    columns = run[GRADIENT_NORM].columns
    known = np.array([[*roles, *[Role.WEIGHT] * (len(columns) - 2)]], float)
    run = with_tables(run, [table(PARAMETER_ROLE, [0], known, columns)])
    advice = the_finding(RULE, run).advice.en
    assert ("where the input enters" in advice) is embedded


@pytest.mark.parametrize("seed", range(20))
def test_clear_on_healthy_runs(seed: int) -> None:
    assert not findings(RULE, healthy_run(seed))


@pytest.mark.parametrize("noise", [0.1, 0.5, 1.0])
def test_clear_on_noise_of_any_size(noise: float) -> None:
    for seed in range(10):
        wild = np.random.default_rng(seed).lognormal(0, noise, RUN[GRADIENT_NORM].values.shape)
        assert not findings(RULE, changed(RUN, GRADIENT_NORM, wild))


def test_clear_just_below_the_factor() -> None:
    assert not findings(RULE, with_gradient_spikes(RUN, {120: 7.0}))
    assert findings(RULE, with_gradient_spikes(RUN, {120: 15.0}))


def test_clear_below_the_gradient_of_the_start() -> None:
    values = 0.1 * np.geomspace(1, 1e-3, 200)[:, None] * np.ones((200, 8))
    values[150] *= 100
    assert not findings(RULE, changed(RUN, GRADIENT_NORM, values))
    values[150] *= 100
    assert findings(RULE, changed(RUN, GRADIENT_NORM, values))


def test_growth_that_stays_is_not_a_spike() -> None:
    values = np.full((200, 8), 0.1)
    values[100:] = 10
    assert not findings(RULE, changed(RUN, GRADIENT_NORM, values))


def test_gradients_that_are_0_now_and_then_are_not_spikes() -> None:
    values = np.full((200, 8), 0.1)
    values[::2, 3] = 0.0
    assert not findings(RULE, changed(RUN, GRADIENT_NORM, values))


def test_a_clip_takes_the_harm_away() -> None:
    run = with_gradient_spikes(healthy_run(1, layers=4), THREE)
    total = np.sqrt((run[GRADIENT_NORM].values ** 2).sum(axis=1))
    clipped = changed(changed(run, CLIP_GLOBAL_NORM, total), CLIP_MAX_NORM, np.full(200, 0.5))
    finding = the_finding(RULE, clipped)
    assert finding.severity is Severity.INFO
    assert "Clipping took the size out" in finding.message.en
    loose = changed(clipped, CLIP_MAX_NORM, np.full(200, 1e6))
    assert the_finding(RULE, loose).severity is Severity.WARNING


def test_a_spike_within_a_window_counts() -> None:
    run = with_gradient_spikes(RUN, {})
    highest, steps = run[GRADIENT_NORM].values.copy(), run[GRADIENT_NORM].steps
    highest[120, 0] *= 100
    names = run[GRADIENT_NORM].columns
    lag = np.zeros_like(highest)
    lag[120, 0] = 3
    most = table(GRADIENT_NORM.highest(), steps, highest, names)
    lags = table(GRADIENT_NORM.highest_lag(), steps, lag, names)
    windowed = {most.quantity.name: most, lags.quantity.name: lags}
    finding = the_finding(RULE, Run("w", {**run.tables, **windowed}, run.facts))
    assert f"At step {steps[120] - 3}" in finding.message.en


def test_evidence_is_the_worst_spike_first() -> None:
    finding = the_finding(RULE, with_gradient_spikes(RUN, {100: 50.0, 150: 500.0}))
    steps = RUN[GRADIENT_NORM].steps
    assert [e.first_step for e in finding.evidence] == [steps[150], steps[100]]


@pytest.mark.parametrize(("optimizer", "word"), [("SGD", "as much larger"), ("Adam", "beta2")])
def test_advice_fits_the_optimizer(optimizer: str, word: str) -> None:
    run = with_gradient_spikes(optimized_by(RUN, optimizer), THREE)
    assert word in the_finding(RULE, run).advice.en


def test_not_evaluated_on_few_or_no_gradients() -> None:
    assert outcome(RULE, head(RUN, 64)).verdict is Verdict.NOT_EVALUATED
    assert outcome(RULE, without(RUN, GRADIENT_NORM)).missing == (GRADIENT_NORM.name,)


def test_a_jump_in_the_last_record_may_be_a_spike() -> None:
    """Nothing came after it that would show whether it stays."""
    finding = the_finding(RULE, with_gradient_spikes(RUN, {199: 100.0}))
    assert finding.severity is Severity.INFO
    assert finding.first_step == RUN[GRADIENT_NORM].steps[199]


def test_jumps_with_other_data_do_no_harm() -> None:
    values = falling(200)
    norms = RUN[GRADIENT_NORM].values.copy()
    norms[:] = 0.1
    for record in (80, 120, 160):
        values[record : record + 6] *= 8
        norms[record : record + 6] = 5.0
    run = changed(with_loss(RUN, values), GRADIENT_NORM, norms)
    assert the_finding(RULE, run).severity is Severity.INFO
    assert the_finding(RULE, without(run, LOSS)).severity is Severity.WARNING
    assert the_finding(RULE, changed(RUN, GRADIENT_NORM, norms)).severity is Severity.WARNING
